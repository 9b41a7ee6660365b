import { locationUtil } from '@grafana/data';
import { type SceneComponentProps, sceneGraph, SceneObjectBase, type SceneObjectState } from '@grafana/scenes';
import { Icon, PanelChrome } from '@grafana/ui';
import type { PanelModel } from './model';

interface PanelLinksState extends SceneObjectState {
  links: NonNullable<PanelModel['links']>;
}

/** The link icon beside a panel's title. */
export class PanelLinks extends SceneObjectBase<PanelLinksState> {
  static Component = PanelLinksRenderer;
}

function PanelLinksRenderer({ model }: SceneComponentProps<PanelLinks>) {
  const { links } = model.useState();
  const hrefs = links.map(({ url }) => locationUtil.assureBaseUrl(sceneGraph.interpolate(model, url)));
  if (links.length === 1) {
    return (
      <PanelChrome.TitleItem
        href={hrefs[0]}
        target={links[0].targetBlank ? '_blank' : undefined}
        title={links[0].title}
      >
        <Icon name="external-link-alt" size="md" />
      </PanelChrome.TitleItem>
    );
  }
  // Grafana opens a menu here. It is closed in a picture; its targets are kept for the check of the links.
  return (
    <PanelChrome.TitleItem>
      <span data-hrefs={hrefs.join('\n')}>
        <Icon name="link" size="md" />
      </span>
    </PanelChrome.TitleItem>
  );
}
