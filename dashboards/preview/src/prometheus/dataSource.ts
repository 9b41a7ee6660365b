import {
  type DataFrame,
  type DataQueryRequest,
  type DataQueryResponse,
  LoadingState,
  type MetricFindValue,
  rangeUtil,
  type ScopedVars,
  type TimeRange,
} from '@grafana/data';
import { dataLayers, QueryVariable, RuntimeDataSource, sceneGraph, VizPanel } from '@grafana/scenes';
import type { DataQuery } from '@grafana/schema';
import { from, type Observable } from 'rxjs';
import type { LoggedQuery, QueryLog } from '../queryLog';
import { annotationSupport } from './annotations';
import { type PrometheusApi, type Series } from './api';
import { heatmapFrames, tableFrames, timeSeriesFrames } from './frames';
import { interpolatePromQL, interpolateText, requestingObject } from './interpolation';
import { computeIntervals, DEFAULTS, intervalMacros, replaceMacros, SCRAPE_INTERVAL } from './intervals';
import { findValues } from './variableQuery';

export const PROMETHEUS_UID = 'preview-prometheus';

/** A target of a panel as dashboards store it for Prometheus. */
export interface PrometheusQuery extends DataQuery {
  expr: string;
  format?: string;
  legendFormat?: string;
  interval?: string;
  instant?: boolean;
  range?: boolean;
}

type Request = DataQueryRequest<PrometheusQuery>;

/**
 * Stands in for Grafana's Prometheus data source, whose package asks for other versions of its siblings and for a server
 * that runs the queries. It computes steps, macros, names and frames as the original does.
 */
export class PrometheusDataSource extends RuntimeDataSource<PrometheusQuery> {
  override annotations = annotationSupport as never;
  override interval = SCRAPE_INTERVAL;

  constructor(
    private readonly api: PrometheusApi,
    private readonly log: QueryLog
  ) {
    super('prometheus', PROMETHEUS_UID);
    // The name is what the data source's variable shows.
    (this as { name: string }).name = 'Prometheus';
  }

  override query(request: Request): Observable<DataQueryResponse> {
    return from(this.runAll(request));
  }

  override async metricFindQuery(
    query: string | { query?: string },
    options: { range: TimeRange; scopedVars?: ScopedVars }
  ): Promise<MetricFindValue[]> {
    const text = typeof query === 'string' ? query : (query.query ?? '');
    const macros = intervalMacros(options.range, rangeUtil.intervalToMs(SCRAPE_INTERVAL));
    const expr = replaceMacros(interpolatePromQL(text, options.scopedVars), macros);
    return this.logged(options.scopedVars, 'query', expr, () => findValues(this.api, expr, options.range));
  }

  private async runAll(request: Request): Promise<DataQueryResponse> {
    const targets = request.targets.filter((target) => !target.hide && target.expr);
    const frames = await Promise.all(targets.map((target) => this.run(target, request, targets)));
    return { data: frames.flat(), state: LoadingState.Done };
  }

  private async run(target: PrometheusQuery, request: Request, targets: PrometheusQuery[]): Promise<DataFrame[]> {
    const { range, scopedVars } = request;
    const forAnnotation = requestingObject(scopedVars) instanceof dataLayers.AnnotationsDataLayer;
    const { intervalMs, maxDataPoints = DEFAULTS.maxDataPoints } = forAnnotation ? DEFAULTS : request;
    const { step, macros } = computeIntervals({
      range,
      maxDataPoints,
      intervalMs,
      minInterval: target.interval ? interpolateText(target.interval, scopedVars) : undefined,
    });
    const expr = replaceMacros(interpolatePromQL(target.expr, scopedVars), macros);
    const named = { ...target, expr, legendFormat: interpolateText(target.legendFormat ?? '', scopedVars) };

    const series = await this.logged(scopedVars, target.refId, expr, () =>
      target.instant ? this.api.query(expr, range.to.valueOf() / 1000) : this.queryAligned(expr, range, step)
    );
    switch (target.format) {
      case 'table':
        return tableFrames(named, series, targets.filter(({ format }) => format === 'table').length > 1);
      case 'heatmap':
        return heatmapFrames(named, series, step);
      default:
        return timeSeriesFrames(named, series, step);
    }
  }

  /** Points lie on multiples of the step, so that they stay the same when the range moves on. */
  private queryAligned(expr: string, range: TimeRange, step: number): Promise<Series[]> {
    const align = (ms: number) => Math.floor(ms / 1000 / step) * step;
    return this.api.queryRange(expr, align(range.from.valueOf()), align(range.to.valueOf()), step);
  }

  private async logged<T>(
    scopedVars: ScopedVars | undefined,
    refId: string,
    expr: string,
    ask: () => Promise<T[]>
  ): Promise<T[]> {
    const query = { ...queryOwner(scopedVars), refId, expr };
    try {
      const results = await ask();
      this.log.add({ ...query, results: results.length });
      return results;
    } catch (error) {
      this.log.add({ ...query, results: 0, error: error instanceof Error ? error.message : String(error) });
      throw error;
    }
  }
}

function queryOwner(scopedVars: ScopedVars | undefined): Pick<LoggedQuery, 'kind' | 'owner'> {
  const asking = requestingObject(scopedVars);
  if (asking instanceof QueryVariable) {
    return { kind: 'variable', owner: asking.state.name };
  }
  if (asking instanceof dataLayers.AnnotationsDataLayer) {
    return { kind: 'annotation', owner: asking.state.name };
  }
  if (!asking) {
    throw new Error('a query was made outside of the dashboard');
  }
  return { kind: 'panel', owner: sceneGraph.getAncestor(asking, VizPanel).state.title };
}
