import { css } from '@emotion/css';
import {
  cacheFieldDisplayNames,
  type DataFrame,
  type Field,
  FieldColorModeId,
  FieldType,
  formattedValueToString,
  getValueFormat,
  outerJoinDataFrames,
  type PanelProps,
  type TimeRange,
} from '@grafana/data';
import { AxisPlacement, ScaleDirection, ScaleOrientation } from '@grafana/schema';
import { UPlotChart, UPlotConfigBuilder, useTheme2, VizLayout } from '@grafana/ui';
import { useMemo } from 'react';
import type uPlot from 'uplot';
import { type HeatmapColorOptions, heatmapPalette } from './heatmapColors';
import { DataErrorView } from './DataErrorView';
import type { PanelKind } from './register';

interface HeatmapOptions {
  calculate: boolean;
  color: HeatmapColorOptions;
  cellGap: number;
  cellValues: { unit?: string; decimals?: number };
  filterValues: { le?: number; ge?: number };
  legend: { show: boolean };
  yAxis: { unit?: string; decimals?: number; axisPlacement?: AxisPlacement; axisWidth?: number; reverse?: boolean };
}

interface Buckets {
  times: number[];
  counts: number[][];
  /** Upper bounds, lowest first. */
  bounds: string[];
  /** Distance of the columns in milliseconds. */
  step: number;
}

const Y_SCALE = 'bucket';

/** A stand-in for Grafana's heatmap of ready-made buckets: cells, axes and color scale, no tooltip. */
function HeatmapPanel({ data, options, fieldConfig, timeRange, timeZone, width, height }: PanelProps<HeatmapOptions>) {
  const theme = useTheme2();
  if (options.calculate) {
    // Grafana would count the series of the query, not what the buckets hold.
    throw new Error('the preview draws heatmaps of buckets only: calculate must be false');
  }
  const buckets = useMemo(() => bucketsOf(data.series, options), [data.series, options]);
  const palette = useMemo(() => heatmapPalette(options.color, theme), [options.color, theme]);
  const scale = useMemo(() => buckets && colorScale(buckets, palette, options), [buckets, palette, options]);

  const config = useMemo(() => {
    if (!buckets || !scale) {
      return undefined;
    }
    const builder = axes(buckets, options, timeRange, timeZone, theme);
    builder.addHook('draw', (u: uPlot) => drawCells(u, buckets, scale.colorOf, options.cellGap));
    return builder;
  }, [buckets, scale, options, timeRange, timeZone, theme]);

  if (!buckets || !scale || !config) {
    return <DataErrorView fieldConfig={fieldConfig} />;
  }

  const format = getValueFormat(options.cellValues.unit ?? 'short');
  const label = (value: number) => formattedValueToString(format(value, options.cellValues.decimals));
  const legend = options.legend.show ? (
    <VizLayout.Legend placement="bottom" maxHeight="20%">
      <ColorScale palette={palette} from={label(scale.min)} to={label(scale.max)} />
    </VizLayout.Legend>
  ) : null;

  return (
    <VizLayout width={width} height={height} legend={legend}>
      {(vizWidth, vizHeight) => (
        <UPlotChart
          config={config}
          data={[buckets.times, buckets.times.map(() => null)] as uPlot.AlignedData}
          width={vizWidth}
          height={vizHeight}
        />
      )}
    </VizLayout>
  );
}

/** Reads one column a bucket, the shape of Prometheus' answers in the format heatmap. */
function bucketsOf(series: DataFrame[], options: HeatmapOptions): Buckets | undefined {
  cacheFieldDisplayNames(series);
  const frame = series.length > 1 ? outerJoinDataFrames({ frames: series, keepDisplayNames: true }) : series[0];
  const time = frame?.fields.find((field) => field.type === FieldType.time);
  const rows = frame?.fields.filter((field) => field.type === FieldType.number) ?? [];
  if (!time || time.values.length < 2 || rows.length === 0) {
    return undefined;
  }
  const format = options.yAxis.unit ? getValueFormat(options.yAxis.unit) : undefined;
  const bound = (field: Field) => {
    const name = field.state?.displayName ?? field.name;
    const value = name === '+Inf' ? Infinity : Number(name);
    return format && Number.isFinite(value) ? formattedValueToString(format(value, options.yAxis.decimals)) : name;
  };
  return {
    times: time.values,
    counts: rows.map((field) => field.values),
    bounds: rows.map(bound),
    step: time.config.interval ?? time.values[1] - time.values[0],
  };
}

interface CellColors {
  min: number;
  max: number;
  /** The color of a count; undefined for one that is filtered out, as zero normally is. */
  colorOf: (count: number | null) => string | undefined;
}

function colorScale({ counts }: Buckets, palette: string[], { color, filterValues }: HeatmapOptions): CellColors {
  const isShown = (count: number | null): count is number =>
    count != null && count > (filterValues.le ?? -Infinity) && count < (filterValues.ge ?? Infinity);
  const shown = counts.flat().filter(isShown);
  const min = color.min ?? shown.reduce((a, b) => Math.min(a, b), Infinity);
  const max = color.max ?? shown.reduce((a, b) => Math.max(a, b), -Infinity);
  const colorOf = (count: number | null) => {
    if (!isShown(count)) {
      return undefined;
    }
    const part = max > min ? (count - min) / (max - min) : 1;
    return palette[Math.min(palette.length - 1, Math.max(0, Math.floor(part * palette.length)))];
  };
  return shown.length > 0 ? { min, max, colorOf } : { min: 0, max: 0, colorOf };
}

/** Bucket i spans i - 1 to i on the y scale, so that its upper bound is the label at i. */
function axes(
  buckets: Buckets,
  { yAxis }: HeatmapOptions,
  timeRange: TimeRange,
  timeZone: string,
  theme: ReturnType<typeof useTheme2>
): UPlotConfigBuilder {
  const last = buckets.bounds.length - 1;
  const builder = new UPlotConfigBuilder(timeZone);
  builder.addScale({
    scaleKey: 'x',
    isTime: true,
    orientation: ScaleOrientation.Horizontal,
    direction: ScaleDirection.Right,
    range: () => [timeRange.from.valueOf(), timeRange.to.valueOf()],
  });
  builder.addScale({
    scaleKey: Y_SCALE,
    isTime: false,
    orientation: ScaleOrientation.Vertical,
    direction: yAxis.reverse ? ScaleDirection.Down : ScaleDirection.Up,
    range: () => [-1, last],
  });
  builder.addAxis({ scaleKey: 'x', isTime: true, placement: AxisPlacement.Bottom, timeZone, theme });
  builder.addAxis({
    scaleKey: Y_SCALE,
    show: yAxis.axisPlacement !== AxisPlacement.Hidden,
    placement: yAxis.axisPlacement ?? AxisPlacement.Left,
    size: yAxis.axisWidth ?? null,
    theme,
    splits: ((u: uPlot) => {
      let splits = Array.from({ length: last + 2 }, (_, index) => index - 1);
      while (splits.length > 3 && (u.height - 15) / splits.length < 10) {
        splits = splits.filter((_, index) => index % 2 === 0);
      }
      return splits;
    }) as never,
    values: ((_: uPlot, splits: number[]) => splits.map((split) => buckets.bounds[split] ?? '')) as never,
  });
  builder.addSeries({ scaleKey: Y_SCALE, theme, pathBuilder: () => null, pointsBuilder: () => undefined });
  return builder;
}

function drawCells(u: uPlot, buckets: Buckets, colorOf: CellColors['colorOf'], gap: number): void {
  const { ctx, bbox } = u;
  const gapPixels = gap * devicePixelRatio;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  buckets.counts.forEach((row, bucket) => {
    const top = Math.round(u.valToPos(bucket, Y_SCALE, true));
    const bottom = Math.round(u.valToPos(bucket - 1, Y_SCALE, true));
    row.forEach((count, index) => {
      const color = colorOf(count);
      if (!color) {
        return;
      }
      // A point counts what came in the step before it.
      const left = Math.round(u.valToPos(buckets.times[index] - buckets.step, 'x', true));
      const right = Math.round(u.valToPos(buckets.times[index], 'x', true));
      ctx.fillStyle = color;
      ctx.fillRect(
        left + gapPixels,
        Math.min(top, bottom) + gapPixels,
        Math.max(1, right - left - gapPixels),
        Math.max(1, Math.abs(bottom - top) - gapPixels)
      );
    });
  });
  ctx.restore();
}

function ColorScale({ palette, from, to }: { palette: string[]; from: string; to: string }) {
  const theme = useTheme2();
  const bar = css({
    height: 9,
    borderRadius: 2,
    background: `linear-gradient(to right, ${palette.join(', ')})`,
  });
  const labels = css({
    display: 'flex',
    justifyContent: 'space-between',
    fontSize: 11,
    color: theme.colors.text.primary,
  });
  return (
    <div className={css({ marginLeft: 25, padding: '10px 0', maxWidth: 300 })}>
      <div className={bar} />
      <div className={labels}>
        <span>{from}</span>
        <span>{to}</span>
      </div>
    </div>
  );
}

export const heatmapPanel: PanelKind = {
  id: 'heatmap',
  component: HeatmapPanel as never,
  options: {
    calculate: false,
    cellGap: 1,
    cellValues: {},
    color: {
      mode: 'scheme',
      scheme: 'Oranges',
      steps: 64,
      reverse: false,
      fill: 'dark-orange',
      scale: 'exponential',
      exponent: 0.5,
    },
    filterValues: { le: 1e-9 },
    legend: { show: true },
    yAxis: { axisPlacement: 'left' },
  },
  colorMode: FieldColorModeId.Thresholds,
  custom: { scaleDistribution: { type: 'linear' }, hideFrom: { tooltip: false, viz: false, legend: false } },
};
