import type { DataTransformerConfig, FieldConfigSource } from '@grafana/data';
import type { DataSourceRef } from '@grafana/schema';
import type { PrometheusAnnotation } from '../prometheus/annotations';
import type { PrometheusQuery } from '../prometheus/dataSource';

/** The parts of Grafana's classic dashboard JSON that the preview draws. */
export interface DashboardModel {
  uid: string;
  title: string;
  tags?: string[];
  timezone?: string;
  refresh?: string;
  graphTooltip?: number;
  time?: { from: string; to: string };
  panels: PanelModel[];
  templating?: { list: VariableModel[] };
  annotations?: { list: AnnotationModel[] };
  links?: DashboardLinkModel[];
}

export interface PanelModel {
  id: number;
  type: string;
  title?: string;
  description?: string;
  transparent?: boolean;
  gridPos: { x: number; y: number; w: number; h: number };
  datasource?: DataSourceRef;
  targets?: PrometheusQuery[];
  interval?: string;
  maxDataPoints?: number;
  fieldConfig?: FieldConfigSource;
  options?: object;
  pluginVersion?: string;
  transformations?: DataTransformerConfig[];
  links?: Array<{ title: string; url: string; targetBlank?: boolean }>;
  timeFrom?: string;
  timeShift?: string;
  repeat?: string;
  /** Only in rows. */
  collapsed?: boolean;
  panels?: PanelModel[];
}

export interface VariableModel {
  name: string;
  type: string;
  label?: string;
  description?: string;
  hide?: number;
  skipUrlSync?: boolean;
  query?: string | { query?: string; refId?: string };
  datasource?: DataSourceRef;
  regex?: string;
  sort?: number;
  refresh?: number;
  multi?: boolean;
  includeAll?: boolean;
  allValue?: string | null;
  current?: { value?: string | string[]; text?: string | string[] };
}

export interface AnnotationModel extends PrometheusAnnotation {
  builtIn?: number;
}

export interface DashboardLinkModel {
  type: 'link' | 'dashboards';
  title: string;
  url?: string;
  icon?: string;
  tooltip?: string;
  tags?: string[];
  asDropdown?: boolean;
  targetBlank?: boolean;
  keepTime?: boolean;
  includeVars?: boolean;
}

/** What the driver says of every dashboard, for the links that list dashboards by tag. */
export interface DashboardListing {
  uid: string;
  title: string;
  tags: string[];
}
