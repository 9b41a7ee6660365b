import type { MetricFindValue, TimeRange } from '@grafana/data';
import { type PrometheusApi, type Series } from './api';

const LABEL_VALUES = /^label_values\((?:(.+),\s*)?([a-zA-Z_][a-zA-Z0-9_]*)\)\s*$/s;
const QUERY_RESULT = /^query_result\((.+)\)\s*$/s;

/** Answers the query of a variable, variables in it replaced: label_values(…) or query_result(…). */
export async function findValues(api: PrometheusApi, query: string, range: TimeRange): Promise<MetricFindValue[]> {
  const start = Math.floor(range.from.valueOf() / 1000);
  const end = Math.ceil(range.to.valueOf() / 1000);

  const labelValues = LABEL_VALUES.exec(query);
  if (labelValues) {
    const [, selector, label] = labelValues;
    const values = await api.labelValues(label, selector, start, end);
    return values.map((text) => ({ text }));
  }

  const queryResult = QUERY_RESULT.exec(query);
  if (queryResult) {
    const series = await api.query(queryResult[1], end);
    return series.map((one) => ({ text: describe(one) }));
  }
  throw new Error(`the query of a variable must be label_values(…) or query_result(…), not ${query}`);
}

/** A series as the regexp of a variable gets to see it: name{labels} value milliseconds. */
function describe({ metric, points: [[seconds, value]] }: Series): string {
  const { __name__: name = '', ...labels } = metric;
  const labelList = Object.entries(labels).map(([label, text]) => `${label}="${text}"`);
  return `${name}{${labelList.join(',')}} ${value} ${seconds * 1000}`;
}
