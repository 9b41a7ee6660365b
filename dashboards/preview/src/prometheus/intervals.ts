import { rangeUtil, type TimeRange } from '@grafana/data';

/** Scrape interval of the data source, as in Grafana where it is not configured. */
export const SCRAPE_INTERVAL = '15s';

/** Prometheus refuses range queries with more points than this. */
const MAX_POINTS = 11_000;

/** What the server takes where the browser gives no interval and no point count, as for annotations. */
export const DEFAULTS = { intervalMs: 1000, maxDataPoints: 100 };

export interface Intervals {
  /** Distance of the points, in seconds. */
  step: number;
  /** What the macros in a query stand for. */
  macros: Record<string, string>;
}

interface IntervalRequest {
  range: TimeRange;
  maxDataPoints: number;
  /** The panel's $__interval. */
  intervalMs: number;
  /** The target's own minimum interval ("Min step"), variables replaced. */
  minInterval?: string;
}

/** The step and the interval macros of a query, computed as the server side of Grafana's Prometheus data source does. */
export function computeIntervals({ range, maxDataPoints, intervalMs, minInterval }: IntervalRequest): Intervals {
  const rangeMs = range.to.valueOf() - range.from.valueOf();
  const usesRateInterval = minInterval === '$__rate_interval' || minInterval === '${__rate_interval}';
  const fixedMinInterval = minInterval && !minInterval.includes('$') ? minInterval : undefined;

  const fitting = rangeUtil.calculateInterval(range, maxDataPoints, fixedMinInterval ?? SCRAPE_INTERVAL).intervalMs;
  const safe = rangeUtil.roundInterval(rangeMs / MAX_POINTS);
  let stepMs = Math.max(fitting, safe);

  let rateIntervalMs = rateInterval(intervalMs, rangeUtil.intervalToMs(fixedMinInterval ?? SCRAPE_INTERVAL));
  if (usesRateInterval) {
    stepMs = rateInterval(stepMs, rangeUtil.intervalToMs(SCRAPE_INTERVAL));
    rateIntervalMs = stepMs;
  }

  return {
    step: stepMs / 1000,
    macros: {
      ...intervalMacros(range, intervalMs),
      __rate_interval_ms: String(rateIntervalMs),
      __rate_interval: duration(rateIntervalMs),
    },
  };
}

/** The macros that do not need a step. The queries of variables have only these. */
export function intervalMacros(range: TimeRange, intervalMs: number): Record<string, string> {
  const rangeMs = range.to.valueOf() - range.from.valueOf();
  const rangeSeconds = Math.round(rangeMs / 1000);
  return {
    __interval_ms: String(intervalMs),
    __interval: duration(intervalMs),
    __range_ms: String(rangeMs),
    __range_s: String(rangeSeconds),
    __range: `${rangeSeconds}s`,
  };
}

function rateInterval(intervalMs: number, scrapeIntervalMs: number): number {
  return Math.max(intervalMs + scrapeIntervalMs, 4 * scrapeIntervalMs);
}

function duration(ms: number): string {
  return ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`;
}

/** Replaces $name and ${name} of the macros; the longer name first, as $__range is the beginning of $__range_s. */
export function replaceMacros(text: string, macros: Record<string, string>): string {
  const names = Object.keys(macros).sort((a, b) => b.length - a.length);
  return names.reduce(
    (replaced, name) => replaced.replaceAll(`\${${name}}`, macros[name]).replaceAll(`$${name}`, macros[name]),
    text
  );
}
