import { css } from '@emotion/css';
import type { GrafanaTheme2 } from '@grafana/data';
import {
  type SceneComponentProps,
  type SceneLayout,
  type SceneObject,
  SceneObjectBase,
  type SceneObjectState,
} from '@grafana/scenes';
import { Icon, useStyles2 } from '@grafana/ui';
import { DashboardLinks } from './DashboardLinks';
import type { DashboardLinkModel, DashboardListing } from './model';

interface DashboardSceneState extends SceneObjectState {
  uid: string;
  title: string;
  links: DashboardLinkModel[];
  dashboards: DashboardListing[];
  body: SceneLayout;
  selectors: SceneObject[];
  timeControls: SceneObject[];
}

/** A whole dashboard: the panels are Grafana's, the frame around them stands in for that of Grafana's application. */
export class DashboardScene extends SceneObjectBase<DashboardSceneState> {
  static Component = DashboardSceneRenderer;
}

function DashboardSceneRenderer({ model }: SceneComponentProps<DashboardScene>) {
  const { title, body, selectors, timeControls } = model.useState();
  const styles = useStyles2(getStyles);
  const render = (object: SceneObject) => <object.Component key={object.state.key} model={object} />;
  return (
    <>
      <header className={styles.header}>
        Home <Icon name="angle-right" /> Dashboards <Icon name="angle-right" />{' '}
        <h1 className={styles.title}>{title}</h1>
      </header>
      <main className={styles.page}>
        <div className={styles.controls}>
          <div className={styles.right}>
            <DashboardLinks dashboard={model} />
            {timeControls.map(render)}
          </div>
          {selectors.map(render)}
        </div>
        {render(body)}
      </main>
    </>
  );
}

function getStyles(theme: GrafanaTheme2) {
  return {
    header: css({
      display: 'flex',
      alignItems: 'center',
      gap: theme.spacing(0.5),
      height: 40,
      padding: theme.spacing(0, 2),
      borderBottom: `1px solid ${theme.colors.border.weak}`,
      background: theme.colors.background.primary,
      color: theme.colors.text.secondary,
    }),
    title: css({
      margin: 0,
      fontSize: 'inherit',
      fontWeight: theme.typography.fontWeightMedium,
      color: theme.colors.text.primary,
    }),
    page: css({
      padding: theme.spacing(0, 2, 2, 2),
      background: theme.colors.background.canvas,
    }),
    controls: css({
      display: 'flow-root',
      padding: theme.spacing(2, 0, 1, 0),
      '& > div': {
        display: 'inline-flex',
        verticalAlign: 'top',
        marginRight: theme.spacing(1),
        marginBottom: theme.spacing(1),
      },
    }),
    // The selectors flow around the controls of the time range.
    right: css({
      float: 'right',
      gap: theme.spacing(1),
      marginRight: '0 !important',
    }),
  };
}
