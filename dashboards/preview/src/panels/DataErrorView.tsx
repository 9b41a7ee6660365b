import { css } from '@emotion/css';
import type { FieldConfigSource, GrafanaTheme2 } from '@grafana/data';
import { useStyles2 } from '@grafana/ui';

interface DataErrorViewProps {
  fieldConfig: FieldConfigSource;
  /** What is wrong with the data, which goes before the panel's own text. */
  message?: string;
}

/** What Grafana shows in place of a visualization without data: the panel's noValue text, else "No data". */
export function DataErrorView({ fieldConfig, message }: DataErrorViewProps) {
  const styles = useStyles2(getStyles);
  return (
    <div className={styles.wrapper}>
      <div className={styles.message}>{message ?? fieldConfig.defaults.noValue ?? 'No data'}</div>
    </div>
  );
}

function getStyles(theme: GrafanaTheme2) {
  return {
    wrapper: css({
      display: 'flex',
      flexDirection: 'column',
      justifyContent: 'center',
      alignItems: 'center',
      width: '100%',
      height: '100%',
    }),
    message: css({
      width: '100%',
      textAlign: 'center',
      color: theme.colors.text.secondary,
      fontSize: theme.typography.size.lg,
    }),
  };
}
