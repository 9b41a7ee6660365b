import {
  applyNullInsertThreshold,
  type DataFrame,
  FieldColorModeId,
  FieldType,
  nullToValue,
  type PanelProps,
  type TimeRange,
} from '@grafana/data';
import type { VizLegendOptions } from '@grafana/schema';
import { TimeSeries } from '@grafana/ui';
import { useMemo } from 'react';
import { AnnotationMarks } from './AnnotationMarks';
import { DataErrorView } from './DataErrorView';
import type { PanelKind } from './register';

interface TimeSeriesOptions {
  legend: VizLegendOptions;
}

function TimeSeriesPanel(props: PanelProps<TimeSeriesOptions>) {
  const { data, timeRange, timeZone, width, height, options, fieldConfig } = props;
  const frames = useMemo(() => graphableFrames(data.series, timeRange), [data.series, timeRange]);
  if (frames.length === 0) {
    return <DataErrorView fieldConfig={fieldConfig} />;
  }
  return (
    <TimeSeries
      frames={frames}
      structureRev={data.structureRev}
      timeRange={timeRange}
      timeZone={timeZone}
      width={width}
      height={height}
      legend={options.legend}
      options={options}
    >
      {(config) => <AnnotationMarks config={config} annotations={data.annotations} regions />}
    </TimeSeries>
  );
}

/**
 * Marks the gaps of each series. TimeSeries does so itself, but only for the first one. NaN and infinity become gaps, too:
 * a single one would leave the whole y axis without a range.
 */
function graphableFrames(series: DataFrame[], range: TimeRange): DataFrame[] {
  return series
    .filter((frame) => frame.length > 0)
    .map((frame) => {
      const withGaps = nullToValue(
        applyNullInsertThreshold({
          frame,
          refFieldPseudoMin: range.from.valueOf(),
          refFieldPseudoMax: range.to.valueOf(),
        })
      );
      const fields = withGaps.fields.map((field) =>
        field.type === FieldType.number
          ? { ...field, values: field.values.map((value) => (Number.isFinite(value) ? value : null)) }
          : field
      );
      return { ...withGaps, fields };
    });
}

export const timeSeriesPanel: PanelKind = {
  id: 'timeseries',
  component: TimeSeriesPanel as never,
  options: { legend: { showLegend: true, displayMode: 'list', placement: 'bottom', calcs: [] } },
  colorMode: FieldColorModeId.PaletteClassic,
  custom: {
    drawStyle: 'line',
    lineInterpolation: 'linear',
    lineWidth: 1,
    lineStyle: undefined,
    lineColor: undefined,
    fillOpacity: 0,
    fillColor: undefined,
    fillBelowTo: undefined,
    gradientMode: 'none',
    showPoints: 'auto',
    pointSize: 5,
    pointColor: undefined,
    pointSymbol: undefined,
    showValues: false,
    barAlignment: 0,
    barWidthFactor: 0.6,
    barMaxWidth: undefined,
    stacking: { mode: 'none', group: 'A' },
    transform: undefined,
    spanNulls: false,
    insertNulls: false,
    axisPlacement: 'auto',
    axisLabel: '',
    axisWidth: undefined,
    axisColorMode: 'text',
    axisGridShow: undefined,
    axisBorderShow: false,
    axisCenteredZero: false,
    axisSoftMin: undefined,
    axisSoftMax: undefined,
    scaleDistribution: { type: 'linear' },
    hideFrom: { tooltip: false, viz: false, legend: false },
    thresholdsStyle: { mode: 'off' },
  },
};
