import {
  behaviors,
  dataLayers,
  SceneDataLayerSet,
  SceneDataTransformer,
  SceneGridItem,
  SceneGridLayout,
  SceneGridRow,
  SceneQueryRunner,
  SceneRefreshPicker,
  SceneTimePicker,
  SceneTimeRange,
  SceneVariableSet,
  VariableValueSelectors,
  VizPanel,
} from '@grafana/scenes';
import { AnnotationSwitch } from './AnnotationSwitch';
import { DashboardScene } from './DashboardScene';
import type { AnnotationModel, DashboardListing, DashboardModel, PanelModel } from './model';
import { PanelLinks } from './PanelLinks';
import { makeVariables } from './variables';

/** Turns a dashboard's JSON into a scene, as Grafana does when it loads a dashboard. */
export function makeScene(model: DashboardModel, address: URLSearchParams, dashboards: DashboardListing[]) {
  const layout = new SceneGridLayout({ isDraggable: false, isResizable: false, children: makeGrid(model.panels) });
  if (address.has('expand')) {
    expandRows(layout);
  }
  const annotations = makeAnnotations(model.annotations?.list ?? []);
  return new DashboardScene({
    uid: model.uid,
    title: model.title,
    links: model.links ?? [],
    dashboards,
    body: layout,
    $timeRange: new SceneTimeRange({
      from: address.get('from') ?? model.time?.from,
      to: address.get('to') ?? model.time?.to,
      timeZone: model.timezone || 'browser',
    }),
    $variables: new SceneVariableSet({ variables: makeVariables(model.templating?.list ?? [], address) }),
    $data: new SceneDataLayerSet({ layers: annotations }),
    $behaviors: [new behaviors.CursorSync({ sync: model.graphTooltip })],
    selectors: [new VariableValueSelectors({}), ...annotations.map((layer) => new AnnotationSwitch({ layer }))],
    timeControls: [new SceneTimePicker({}), new SceneRefreshPicker({ refresh: model.refresh })],
  });
}

/** Panels that follow an open row in the list belong to it; a collapsed row holds its panels itself. */
function makeGrid(panels: PanelModel[]): Array<SceneGridItem | SceneGridRow> {
  const children: Array<SceneGridItem | SceneGridRow> = [];
  let openRow: SceneGridRow | undefined;
  for (const model of panels) {
    if (model.type === 'row') {
      const row = makeRow(model);
      children.push(row);
      openRow = model.collapsed ? undefined : row;
    } else if (openRow) {
      openRow.setState({ children: [...openRow.state.children, makeItem(model)] });
    } else {
      children.push(makeItem(model));
    }
  }
  return children;
}

function makeRow(model: PanelModel): SceneGridRow {
  return new SceneGridRow({
    key: `row-${model.id}`,
    title: model.title ?? '',
    y: model.gridPos.y,
    isCollapsed: model.collapsed ?? false,
    isCollapsible: true,
    children: (model.panels ?? []).map(makeItem),
  });
}

function expandRows(layout: SceneGridLayout): void {
  for (const child of layout.state.children) {
    if (child instanceof SceneGridRow && child.state.isCollapsed) {
      child.onCollapseToggle();
    }
  }
}

function makeItem(model: PanelModel): SceneGridItem {
  const { x, y, w, h } = model.gridPos;
  return new SceneGridItem({ key: `item-${model.id}`, x, y, width: w, height: h, body: makePanel(model) });
}

function makePanel(model: PanelModel): VizPanel {
  for (const unsupported of ['timeFrom', 'timeShift', 'repeat'] as const) {
    if (model[unsupported]) {
      throw new Error(`the preview cannot draw the ${unsupported} of the panel ${model.title}`);
    }
  }
  const links = model.links ?? [];
  return new VizPanel({
    key: `panel-${model.id}`,
    title: model.title ?? '',
    description: model.description,
    pluginId: model.type,
    pluginVersion: model.pluginVersion,
    options: model.options ?? {},
    fieldConfig: model.fieldConfig ?? { defaults: {}, overrides: [] },
    displayMode: model.transparent ? 'transparent' : 'default',
    hoverHeader: !model.title,
    titleItems: links.length > 0 ? new PanelLinks({ links }) : undefined,
    $data: model.targets?.length ? makeData(model) : undefined,
  });
}

function makeData(model: PanelModel): SceneDataTransformer {
  return new SceneDataTransformer({
    $data: new SceneQueryRunner({
      datasource: model.datasource,
      queries: model.targets ?? [],
      maxDataPoints: model.maxDataPoints,
      maxDataPointsFromWidth: true,
      minInterval: model.interval,
      dataLayerFilter: { panelId: model.id },
    }),
    transformations: model.transformations ?? [],
  });
}

/** The built-in annotations live in Grafana's own database, which the preview does not have. */
function makeAnnotations(models: AnnotationModel[]) {
  return models
    .filter((model) => !model.builtIn)
    .map(
      (model) =>
        new dataLayers.AnnotationsDataLayer({
          key: `annotation-${model.name}`,
          name: model.name,
          query: model,
          isEnabled: model.enable,
          isHidden: Boolean(model.hide),
        })
    );
}
