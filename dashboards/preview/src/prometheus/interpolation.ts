import type { ScopedVars } from '@grafana/data';
import { sceneGraph, type SceneObject } from '@grafana/scenes';

interface FormattedVariable {
  multi?: boolean;
  includeAll?: boolean;
}

/** Writes a variable's value into PromQL as Grafana's data source does: values of multi variables are regexps. */
function formatForPromQL(value: string | string[], variable: FormattedVariable): string {
  if (!variable.multi && !variable.includeAll) {
    return escapeString(String(value));
  }
  if (!Array.isArray(value)) {
    return escapeRegexp(value);
  }
  const escaped = value.map(escapeRegexp);
  return escaped.length === 1 ? escaped[0] : `(${escaped.join('|')})`;
}

function escapeString(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll("'", "\\\\'");
}

/** Every backslash is doubled because the regexp stands inside a quoted PromQL string. */
function escapeRegexp(value: string): string {
  return String(value)
    .replaceAll('\\', '\\\\\\\\')
    .replace(/[$^*{}[\]+?.()|]/g, '\\\\$&');
}

/** The object of the scene for which a request is made, as Grafana's packages pass it along. */
export function requestingObject(scopedVars: ScopedVars | undefined): SceneObject | undefined {
  return scopedVars?.__sceneObject?.value?.valueOf();
}

/** Replaces the dashboard's variables in PromQL; the interval macros stay, they depend on the query. */
export function interpolatePromQL(text: string, scopedVars: ScopedVars | undefined): string {
  const sceneObject = requestingObject(scopedVars);
  if (!sceneObject) {
    return text;
  }
  const kept = { __interval: { value: '$__interval' }, __interval_ms: { value: '$__interval_ms' } };
  return sceneGraph.interpolate(sceneObject, text, { ...scopedVars, ...kept }, formatForPromQL as never);
}

/** Replaces the dashboard's variables in a text that is not PromQL, such as a legend. */
export function interpolateText(text: string, scopedVars: ScopedVars | undefined): string {
  const sceneObject = requestingObject(scopedVars);
  return sceneObject ? sceneGraph.interpolate(sceneObject, text, scopedVars) : text;
}
