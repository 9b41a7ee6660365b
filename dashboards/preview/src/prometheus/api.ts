export type Labels = Record<string, string>;

/** A point as Prometheus writes it: seconds and the number as text. */
export type Point = [number, string];

export interface Series {
  metric: Labels;
  points: Point[];
}

interface RawSeries {
  metric: Labels;
  value?: Point;
  values?: Point[];
}

type QueryData = { resultType: 'matrix' | 'vector'; result: RawSeries[] } | { resultType: 'scalar'; result: Point };

/** The part of Prometheus' HTTP API that dashboards need. */
export class PrometheusApi {
  constructor(private readonly baseUrl: string) {}

  async query(expr: string, time: number): Promise<Series[]> {
    return toSeries(await this.get<QueryData>('query', { query: expr, time: String(time) }));
  }

  async queryRange(expr: string, start: number, end: number, step: number): Promise<Series[]> {
    const parameters = { query: expr, start: String(start), end: String(end), step: String(step) };
    return toSeries(await this.get<QueryData>('query_range', parameters));
  }

  async labelValues(label: string, selector: string | undefined, start: number, end: number): Promise<string[]> {
    const parameters: Record<string, string> = { start: String(start), end: String(end) };
    if (selector) {
      parameters['match[]'] = selector;
    }
    return this.get<string[]>(`label/${label}/values`, parameters);
  }

  private async get<T>(path: string, parameters: Record<string, string>): Promise<T> {
    const response = await fetch(`${this.baseUrl}/api/v1/${path}?${new URLSearchParams(parameters)}`);
    const body = await response.json();
    if (body.status !== 'success') {
      throw new Error(body.error ?? `Prometheus answered ${response.status}`);
    }
    return body.data;
  }
}

function toSeries(data: QueryData): Series[] {
  if (data.resultType === 'scalar') {
    return [{ metric: {}, points: [data.result] }];
  }
  return data.result.map((series) => ({
    metric: series.metric,
    points: series.values ?? (series.value ? [series.value] : []),
  }));
}

/** The number in a point; Prometheus writes infinity as +Inf. */
export function pointValue([, text]: Point): number {
  switch (text) {
    case '+Inf':
      return Infinity;
    case '-Inf':
      return -Infinity;
    default:
      return Number(text);
  }
}
