import {
  ConstantVariable,
  CustomVariable,
  DataSourceVariable,
  IntervalVariable,
  type MultiValueVariable,
  QueryVariable,
  type SceneVariable,
  TextBoxVariable,
} from '@grafana/scenes';
import { PROMETHEUS_UID } from '../prometheus/dataSource';
import type { VariableModel } from './model';

/** Makes the variables of a dashboard; values in the address (var-NAME) win over those in the JSON. */
export function makeVariables(models: VariableModel[], address: URLSearchParams): SceneVariable[] {
  return models.map((model) => {
    const variable = makeVariable(model);
    const values = address.getAll(`var-${model.name}`);
    if (values.length > 0) {
      variable.urlSync?.updateFromUrl({ [`var-${model.name}`]: values.length === 1 ? values[0] : values });
    }
    return variable;
  });
}

function makeVariable(model: VariableModel): SceneVariable {
  const base = {
    name: model.name,
    label: model.label,
    description: model.description,
    hide: model.hide ?? 0,
    skipUrlSync: model.skipUrlSync,
  };
  const query = typeof model.query === 'string' ? model.query : (model.query?.query ?? '');
  const multi = {
    isMulti: model.multi,
    includeAll: model.includeAll,
    defaultToAll: Boolean(model.includeAll),
    allValue: model.allValue || undefined,
    value: model.current?.value ?? '',
    text: model.current?.text ?? '',
  };

  switch (model.type) {
    case 'query':
      return new QueryVariable({
        ...base,
        ...multi,
        query,
        datasource: model.datasource,
        regex: model.regex ?? '',
        sort: model.sort,
        refresh: model.refresh,
      });
    case 'custom':
      return new CustomVariable({ ...base, ...multi, query });
    case 'datasource':
      return new DataSourceVariable({
        ...base,
        ...multi,
        ...dataSourceValue(multi),
        pluginId: query,
        regex: model.regex,
      });
    case 'constant':
      return new ConstantVariable({ ...base, value: query });
    case 'textbox':
      return new TextBoxVariable({ ...base, value: String(model.current?.value || query) });
    case 'interval':
      return new IntervalVariable({ ...base, intervals: query.split(','), value: String(model.current?.value ?? '') });
    default:
      throw new Error(`the preview cannot draw variables of type ${model.type} (${model.name})`);
  }
}

/** Every data source a dashboard was saved with is the preview's one. */
function dataSourceValue({ isMulti }: Pick<MultiValueVariable['state'], 'isMulti'>) {
  return { value: isMulti ? [PROMETHEUS_UID] : PROMETHEUS_UID, text: isMulti ? ['Prometheus'] : 'Prometheus' };
}
