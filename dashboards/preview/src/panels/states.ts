import {
  type Field,
  FieldColorModeId,
  formattedValueToString,
  getActiveThreshold,
  getValueFormat,
  type GrafanaTheme2,
  ThresholdsMode,
} from '@grafana/data';
import type { VizLegendItem } from '@grafana/ui';

/** What a legend calls the thresholds of a field, in their order: "< 80", "80+". */
function thresholdItems(field: Field, theme: GrafanaTheme2): VizLegendItem[] {
  const { thresholds, unit, decimals } = field.config;
  const steps = thresholds?.steps ?? [];
  const format = getValueFormat(thresholds?.mode === ThresholdsMode.Percentage ? 'percent' : (unit ?? ''));
  const text = (value: number) => formattedValueToString(format(value, decimals ?? undefined));
  return steps.map((step, index) => {
    const isLowest = step.value === -Infinity && index < steps.length - 1;
    const label = isLowest ? `< ${text(steps[index + 1].value)}` : `${text(step.value)}+`;
    return { label, color: theme.visualization.getColorByName(step.color), yAxis: 1 };
  });
}

/**
 * A field whose numbers are replaced by the names of their thresholds, so that neighbours of one color become one bar.
 * Undefined where the field is not colored by absolute thresholds.
 */
export function mergeByThreshold(field: Field, theme: GrafanaTheme2): Field | undefined {
  const { thresholds, color } = field.config;
  if (color?.mode !== FieldColorModeId.Thresholds || !thresholds?.steps.length) {
    return undefined;
  }
  if (thresholds.mode === ThresholdsMode.Percentage) {
    throw new Error('the preview cannot merge states by percentage thresholds');
  }
  const items = thresholdItems(field, theme);
  const colors = new Map(items.map(({ label, color: itemColor }) => [label, itemColor]));
  return {
    ...field,
    values: field.values.map((value) =>
      value == null ? value : items[thresholds.steps.indexOf(getActiveThreshold(value, thresholds.steps))].label
    ),
    display: (value) => ({ text: String(value), color: colors.get(String(value)), numeric: NaN }),
  };
}

/** The legend of states: the thresholds where they give the color, else every text that occurs; none for a gradient. */
export function stateLegend(fields: Field[], theme: GrafanaTheme2): VizLegendItem[] | undefined {
  if (fields.length === 0) {
    return undefined;
  }
  const { color, thresholds } = fields[0].config;
  if (color?.mode === FieldColorModeId.Thresholds && (thresholds?.steps.length ?? 0) > 1) {
    return thresholdItems(fields[0], theme);
  }
  if (color?.mode?.startsWith('continuous')) {
    return undefined;
  }
  const colors = new Map<string, string>();
  for (const field of fields.filter(({ config }) => !config.custom?.hideFrom?.legend)) {
    for (const value of field.values) {
      const state = field.display!(value);
      if (state.color && state.text) {
        colors.set(state.text, state.color);
      }
    }
  }
  return [...colors].map(([label, name]) => ({ label, color: theme.visualization.getColorByName(name), yAxis: 1 }));
}
