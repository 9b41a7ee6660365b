import {
  type Field,
  FieldConfigProperty,
  FieldType,
  identityOverrideProcessor,
  type PanelProps,
  PanelPlugin,
} from '@grafana/data';
import { registerRuntimePanelPlugin } from '@grafana/scenes';
import type { ComponentType } from 'react';
import { fieldConfigProperty } from '../grafana/fieldConfigRegistry';
import { barGaugePanel } from './barGauge';
import { heatmapPanel } from './heatmap';
import { stateTimelinePanel, statusHistoryPanel } from './stateTimeline';
import { statPanel } from './stat';
import { tablePanel } from './table';
import { textPanel } from './text';
import { timeSeriesPanel } from './timeSeries';

/** One kind of panel, with the defaults that Grafana's plugin of that name has. */
export interface PanelKind {
  id: string;
  component: ComponentType<PanelProps>;
  options: Record<string, unknown>;
  /** The color mode of a field that sets none. */
  colorMode: string;
  /** The properties below "custom" of a field and their defaults; a property that is not named here is dropped. */
  custom: Record<string, unknown>;
  /** The panel has no queries. */
  withoutData?: boolean;
}

const kinds: PanelKind[] = [
  barGaugePanel,
  heatmapPanel,
  stateTimelinePanel,
  statPanel,
  statusHistoryPanel,
  tablePanel,
  textPanel,
  timeSeriesPanel,
];

/**
 * Whether a field gets a property. Those that treat gaps are not for time: where the threshold of gaps of a value differs
 * from that of its time field, which is the query's step, Grafana marks no gaps at all.
 */
function appliesTo(path: string, field: Field): boolean {
  return field.type !== FieldType.time || !['spanNulls', 'insertNulls'].includes(path);
}

/** Registers the panels the preview can draw; Grafana's panel plugins are not published as packages. */
export function registerPanels(): void {
  for (const kind of kinds) {
    const plugin = new PanelPlugin(kind.component)
      .setDefaults(kind.options)
      .setDataSupport({ annotations: true, alertStates: false })
      .useFieldConfig({
        standardOptions: { [FieldConfigProperty.Color]: { defaultValue: { mode: kind.colorMode } } },
        useCustomConfig: (builder) => {
          for (const [path, defaultValue] of Object.entries(kind.custom)) {
            const property = fieldConfigProperty('Panel', path, identityOverrideProcessor, defaultValue);
            builder.addCustomEditor({ ...property, shouldApply: (field: Field) => appliesTo(path, field) } as never);
          }
        },
      });
    plugin.meta = { ...plugin.meta, skipDataQuery: kind.withoutData ?? false };
    registerRuntimePanelPlugin({ pluginId: kind.id, plugin });
  }
}
