import { type DataFrame, DataFrameType, type Field, FieldType } from '@grafana/data';
import { type Labels, pointValue, type Series } from './api';

/** What of a target decides how its answer is shaped. */
export interface FrameTarget {
  refId: string;
  expr: string;
  format?: string;
  legendFormat?: string;
}

/** What Grafana's server answers in place of no series at all: a frame without fields. */
function emptyFrame({ refId }: FrameTarget): DataFrame {
  return { refId, fields: [], length: 0 };
}

/** One frame a series, as for graphs. step is that of the range query; gaps longer than it are drawn as gaps. */
export function timeSeriesFrames(target: FrameTarget, series: Series[], step: number): DataFrame[] {
  if (series.length === 0) {
    return [emptyFrame(target)];
  }
  return series.map(({ metric, points }) => {
    const name = seriesName(target, metric);
    const time: Field = {
      name: 'Time',
      type: FieldType.time,
      config: { interval: step * 1000 },
      values: points.map(([seconds]) => seconds * 1000),
    };
    const value: Field = {
      // With an automatic legend Grafana makes the name of the labels alone.
      name: target.legendFormat === '__auto' ? 'Value' : (metric.__name__ ?? 'Value'),
      type: FieldType.number,
      config: name ? { displayNameFromDS: name } : {},
      labels: metric,
      values: points.map(pointValue),
    };
    return { refId: target.refId, fields: [time, value], length: points.length };
  });
}

/**
 * One frame a query with a column a label. Where there are several queries the value's column is named after its query, and
 * is there even if the query had no result.
 */
export function tableFrames(target: FrameTarget, series: Series[], ofSeveral: boolean): DataFrame[] {
  if (series.length === 0 && !ofSeveral) {
    return [emptyFrame(target)];
  }
  const rows = series
    .flatMap(({ metric, points }) => points.map((point) => ({ metric, point })))
    .sort((a, b) => a.point[0] - b.point[0]);
  const labelNames = new Set(series.flatMap(({ metric }) => Object.keys(metric).sort()));

  const fields: Field[] = [
    { name: 'Time', type: FieldType.time, config: {}, values: rows.map(({ point }) => point[0] * 1000) },
    ...[...labelNames].map((label) => ({
      name: label,
      type: FieldType.string,
      config: { filterable: true },
      values: rows.map(({ metric }) => metric[label] ?? ''),
    })),
    {
      name: ofSeveral ? `Value #${target.refId}` : 'Value',
      type: FieldType.number,
      config: {},
      values: rows.map(({ point }) => pointValue(point)),
    },
  ];
  return [{ refId: target.refId, fields, length: rows.length }];
}

/** One frame with a column a bucket. Prometheus counts buckets from zero up; a heatmap wants each bucket's own count. */
export function heatmapFrames(target: FrameTarget, series: Series[], step: number): DataFrame[] {
  if (series.length === 0) {
    return [];
  }
  const buckets = series
    .map(({ metric, points }) => ({
      le: metric.le ?? '',
      bound: pointValue([0, metric.le ?? '']),
      counts: new Map(points.map((point) => [point[0], pointValue(point)])),
    }))
    .sort((a, b) => a.bound - b.bound);
  const times = [...new Set(series.flatMap(({ points }) => points.map(([seconds]) => seconds)))].sort((a, b) => a - b);

  const time: Field = {
    name: 'Time',
    type: FieldType.time,
    config: { interval: step * 1000 },
    values: times.map((seconds) => seconds * 1000),
  };
  const bucketFields = buckets.map(
    ({ le, counts }, index): Field => ({
      name: le,
      type: FieldType.number,
      config: { displayNameFromDS: le },
      labels: { le },
      values: times.map((seconds) => {
        const below = index === 0 ? 0 : (buckets[index - 1].counts.get(seconds) ?? 0);
        return Math.max(0, (counts.get(seconds) ?? 0) - below);
      }),
    })
  );
  return [
    {
      refId: target.refId,
      meta: { type: DataFrameType.HeatmapRows },
      fields: [time, ...bucketFields],
      length: times.length,
    },
  ];
}

/** The legend of a series; undefined leaves it to Grafana, which then shows only the labels that differ. */
function seriesName({ legendFormat, expr }: FrameTarget, metric: Labels): string | undefined {
  const { __name__: metricName = '', ...labels } = metric;
  const labelList = Object.entries(labels).map(([name, value]) => `${name}="${value}"`);
  const full = labelList.length > 0 ? `${metricName}{${labelList.join(', ')}}` : metricName || expr;
  if (!legendFormat) {
    return full;
  }
  if (legendFormat === '__auto') {
    return Object.keys(metric).length > 0 ? undefined : full;
  }
  return legendFormat.replace(/\{\{\s*(.+?)\s*\}\}/g, (_, label: string) => metric[label] ?? '');
}
