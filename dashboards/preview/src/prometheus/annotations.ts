import {
  type AnnotationEvent,
  type AnnotationQuery,
  type AnnotationSupport,
  type DataFrame,
  type Field,
  renderLegendFormat,
} from '@grafana/data';
import { of } from 'rxjs';
import type { PrometheusQuery } from './dataSource';

/** An annotation as dashboards store it for Prometheus: its query stands beside its name, not in a target. */
export interface PrometheusAnnotation extends AnnotationQuery<PrometheusQuery> {
  expr?: string;
  step?: string;
  titleFormat?: string;
  textFormat?: string;
  tagKeys?: string;
  useValueForTime?: boolean;
}

const DEFAULT_STEP = '60s';

/** Turns an annotation into a query and the answer into events. */
export const annotationSupport: AnnotationSupport<PrometheusQuery, PrometheusAnnotation> = {
  prepareAnnotation: (annotation) => annotation,
  prepareQuery: (annotation) =>
    annotation.expr
      ? { refId: 'Anno', expr: annotation.expr, range: true, interval: annotation.step || DEFAULT_STEP }
      : undefined,
  processEvents: (annotation, frames) => {
    const withFields = frames.filter((frame) => frame.fields.length > 0);
    return of(withFields.flatMap((frame) => eventsOfSeries(annotation, frame)));
  },
};

/** Points above zero that follow each other in the query's step are one region. */
function eventsOfSeries(annotation: PrometheusAnnotation, { fields: [time, value] }: DataFrame): AnnotationEvent[] {
  const labels = value.labels ?? {};
  const tagKeys = (annotation.tagKeys ?? '').split(',');
  const step = time.config.interval ?? 0;

  const events: AnnotationEvent[] = [];
  for (const timestamp of activeTimes(annotation, time, value)) {
    const last = events.at(-1);
    if (last && last.timeEnd! + step >= timestamp) {
      last.timeEnd = timestamp;
      continue;
    }
    events.push({
      time: timestamp,
      timeEnd: timestamp,
      annotation,
      title: renderLegendFormat(annotation.titleFormat ?? '', labels),
      text: renderLegendFormat(annotation.textFormat ?? '', labels),
      tags: Object.keys(labels)
        .filter((label) => tagKeys.includes(label))
        .map((label) => labels[label]),
    });
  }
  return events;
}

function activeTimes(annotation: PrometheusAnnotation, time: Field, value: Field): number[] {
  if (annotation.useValueForTime) {
    return value.values.map(Math.floor);
  }
  return time.values.filter((_, index) => value.values[index] > 0);
}
