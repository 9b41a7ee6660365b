import { type DataFrame, type Field, FieldType, getFieldDisplayName, type LinkModel } from '@grafana/data';
import { sceneGraph, type SceneObject, VizPanel } from '@grafana/scenes';
import type { LoggedQuery, QueryLog } from './queryLog';

interface PanelReport {
  key: string;
  title: string;
  /** Why the panel's plugin could not be loaded. */
  pluginError?: string;
  /** The panel has queries and nothing of their answers to show. */
  isEmpty: boolean;
  /** Names of its series and columns; a graph paints some of them where nobody can read them back. */
  names: string[];
  /** Targets of the data links of all its values. */
  links: string[];
}

/** What of the page cannot be read from its elements. */
export interface PageReport {
  queries: LoggedQuery[];
  /** The panels that are drawn; those of collapsed rows are not. */
  panels: PanelReport[];
}

export function makeReport(scene: SceneObject, log: QueryLog): PageReport {
  const panels = sceneGraph
    .findAllObjects(scene, (object) => object instanceof VizPanel && object.isActive)
    .map((object) => reportPanel(object as VizPanel));
  return { queries: log.all(), panels };
}

function reportPanel(panel: VizPanel): PanelReport {
  const hasQueries = Boolean(panel.state.$data);
  const data = hasQueries ? panel.applyFieldConfig(sceneGraph.getData(panel).state.data) : undefined;
  return {
    key: panel.state.key ?? '',
    title: sceneGraph.interpolate(panel, panel.state.title, undefined, 'text'),
    pluginError: panel.state._pluginLoadError,
    isEmpty: hasQueries && !data?.series.some(hasValues),
    names: (data?.series ?? []).flatMap((frame, _, frames) =>
      frame.fields.map((field) => getFieldDisplayName(field, frame, frames))
    ),
    links: (data?.series ?? []).flatMap(linksOfFrame),
  };
}

function hasValues(frame: DataFrame): boolean {
  return frame.fields.some(
    (field) => field.type !== FieldType.time && field.values.some((value) => value != null && !Number.isNaN(value))
  );
}

function linksOfFrame(frame: DataFrame): string[] {
  return frame.fields
    .filter(({ type, config }) => type !== FieldType.time && config.links?.length && !config.custom?.hideFrom?.viz)
    .flatMap(linksOfField);
}

/** The links of every row of a column; those of the points of a series differ in nothing but the value. */
function linksOfField(field: Field): string[] {
  const rows = [...field.values.keys()].slice(field.labels ? -1 : 0);
  const links = rows.flatMap((valueRowIndex): LinkModel[] => field.getLinks?.({ valueRowIndex }) ?? []);
  return links.map(({ href }) => href);
}
