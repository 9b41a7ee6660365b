import {
  applyNullInsertThreshold,
  cacheFieldDisplayNames,
  type DataFrame,
  type Field,
  FieldColorModeId,
  FieldType,
  getFieldDisplayName,
  type GrafanaTheme2,
  nullToValue,
  type PanelProps,
  type TimeRange,
} from '@grafana/data';
import { AxisPlacement, LegendDisplayMode, type VisibilityMode, type VizLegendOptions } from '@grafana/schema';
import { GraphNG, measureText, UPLOT_AXIS_FONT_SIZE, useTheme2, VizLayout, VizLegend } from '@grafana/ui';
import { useMemo } from 'react';
import { AnnotationMarks } from './AnnotationMarks';
import { DataErrorView } from './DataErrorView';
import type { PanelKind } from './register';
import { mergeByThreshold, stateLegend } from './states';
import { type TimelineLayout, timelineConfig } from './timelineDrawing';

export interface TimelineOptions {
  legend: VizLegendOptions;
  mergeValues?: boolean;
  showValue: VisibilityMode;
  alignValue?: CanvasTextAlign;
  rowHeight: number;
  colWidth?: number;
}

/** uPlot gives the names beside the rows at most this part of the width and cuts them off silently. */
const MAX_NAMES_WIDTH = 0.4;

function TimelinePanel(props: PanelProps<TimelineOptions> & { layout: TimelineLayout }) {
  const { data, options, fieldConfig, timeRange, timeZone, width, height, layout } = props;
  const theme = useTheme2();
  const merge = layout === 'changes' && (options.mergeValues ?? true);
  const frames = useMemo(
    () => timelineFrames(data.series, merge, timeRange, theme),
    [data.series, merge, timeRange, theme]
  );
  const legendItems = useMemo(() => stateLegend(stateFields(frames), theme), [frames, theme]);

  if (frames.length === 0) {
    // A query without a result gives a frame without fields, which Grafana takes for a mistake; noValue is for no frames.
    const message = data.series.length > 0 ? 'Data does not have a time field' : undefined;
    return <DataErrorView fieldConfig={fieldConfig} message={message} />;
  }

  const cutNames = stateFields(frames)
    .map((field) => field.state?.displayName ?? field.name)
    .filter((name) => measureText(name, UPLOT_AXIS_FONT_SIZE).width > width * MAX_NAMES_WIDTH);
  const showLegend = options.legend.showLegend && options.legend.displayMode !== LegendDisplayMode.Hidden;

  return (
    <div data-cut-names={cutNames.join('\n') || undefined}>
      <GraphNG
        theme={theme}
        frames={frames}
        structureRev={data.structureRev}
        timeRange={timeRange}
        timeZone={timeZone}
        width={width}
        height={height}
        legend={options.legend}
        fields={{ x: (field) => field.type === FieldType.time, y: (field) => field.type !== FieldType.time }}
        propsToDiff={['theme', 'legend']}
        prepConfig={(frame, _, getTimeRange) =>
          timelineConfig({ frame, theme, timeZone, getTimeRange, options: { ...options, mergeValues: merge }, layout })
        }
        renderLegend={() =>
          showLegend && legendItems ? (
            <VizLayout.Legend placement={options.legend.placement}>
              <VizLegend
                placement={options.legend.placement}
                items={legendItems}
                displayMode={options.legend.displayMode}
                readonly
              />
            </VizLayout.Legend>
          ) : null
        }
      >
        {(config) => <AnnotationMarks config={config} annotations={data.annotations} />}
      </GraphNG>
    </div>
  );
}

/** Frames with gaps marked as such up to both ends of the range, so that a state does not go on after its last point. */
function timelineFrames(series: DataFrame[], merge: boolean, range: TimeRange, theme: GrafanaTheme2): DataFrame[] {
  cacheFieldDisplayNames(series);
  return series
    .filter((frame) => frame.length > 0 && frame.fields.some((field) => field.type === FieldType.time))
    .map((frame) => {
      const withGaps = nullToValue(
        applyNullInsertThreshold({
          frame,
          refFieldPseudoMin: range.from.valueOf(),
          refFieldPseudoMax: range.to.valueOf(),
        })
      );
      const fields = withGaps.fields.map((field) => {
        const isValue = field.type === FieldType.number;
        const merged = isValue && merge ? mergeByThreshold(field, theme) : undefined;
        // -1 tells Grafana's join to leave gaps as they are.
        return field.type === FieldType.time ? field : withSpanNulls(merged ?? field, -1);
      });
      return { ...withGaps, fields };
    });
}

function withSpanNulls(field: Field, spanNulls: number): Field {
  return { ...field, config: { ...field.config, custom: { ...field.config.custom, spanNulls } } };
}

function stateFields(frames: DataFrame[]): Field[] {
  return frames.flatMap((frame) =>
    frame.fields
      .filter((field) => field.type !== FieldType.time)
      .map((field) => ({ ...field, state: { ...field.state, displayName: getFieldDisplayName(field, frame, frames) } }))
  );
}

const options = {
  legend: { showLegend: true, displayMode: 'list', placement: 'bottom' },
  showValue: 'auto',
  rowHeight: 0.9,
};

const custom = {
  fillOpacity: 70,
  hideFrom: { tooltip: false, viz: false, legend: false },
  axisPlacement: AxisPlacement.Auto,
  axisWidth: undefined,
};

export const stateTimelinePanel: PanelKind = {
  id: 'state-timeline',
  component: (props) => <TimelinePanel {...(props as PanelProps<TimelineOptions>)} layout="changes" />,
  options: { ...options, mergeValues: true, alignValue: 'left' },
  colorMode: FieldColorModeId.ContinuousGrYlRd,
  custom: { ...custom, lineWidth: 0, spanNulls: false, insertNulls: false },
};

export const statusHistoryPanel: PanelKind = {
  id: 'status-history',
  component: (props) => <TimelinePanel {...(props as PanelProps<TimelineOptions>)} layout="samples" />,
  options: { ...options, colWidth: 0.9 },
  colorMode: FieldColorModeId.Thresholds,
  custom: { ...custom, lineWidth: 1 },
};
