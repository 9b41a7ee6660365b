import type { DataSourceApi, DataSourceInstanceSettings, ScopedVars } from '@grafana/data';
import { type DataSourceSrv, setDataSourceSrv } from '@grafana/runtime';
import { sceneGraph, type SceneObject } from '@grafana/scenes';
import type { DataSourceRef } from '@grafana/schema';
import type { PrometheusDataSource } from '../prometheus/dataSource';

type Reference = DataSourceRef | string | null | undefined;

/** Resolves a reference such as {uid: "${datasource}"} with the variables of the scene that asks. */
function resolveUid(reference: Reference, scopedVars?: ScopedVars): string {
  const uid = typeof reference === 'string' ? reference : (reference?.uid ?? '');
  const scene: SceneObject | undefined = scopedVars?.__sceneObject?.value?.valueOf();
  return scene ? sceneGraph.interpolate(scene, uid, scopedVars) : uid;
}

/**
 * Makes the one Prometheus data source known to Grafana's packages. A real Grafana has a service that loads the plugins
 * of all configured data sources; here a reference to anything else is an error, as it would be there.
 */
export function registerDataSource(prometheus: PrometheusDataSource): void {
  const settings = {
    id: prometheus.id,
    uid: prometheus.uid,
    name: prometheus.name,
    type: prometheus.type,
    meta: prometheus.meta,
    isDefault: true,
    readOnly: true,
    jsonData: {},
    access: 'proxy',
  } as DataSourceInstanceSettings;

  const known = (uid: string) => uid === '' || uid === 'default' || uid === prometheus.uid;

  const service = {
    get: async (reference: Reference, scopedVars?: ScopedVars): Promise<DataSourceApi> => {
      const uid = resolveUid(reference, scopedVars);
      if (!known(uid)) {
        throw new Error(`Datasource ${uid} was not found`);
      }
      return prometheus as unknown as DataSourceApi;
    },
    getInstanceSettings: (reference: Reference, scopedVars?: ScopedVars) =>
      known(resolveUid(reference, scopedVars)) ? settings : undefined,
    getList: (filters?: { pluginId?: string | RegExp }) =>
      !filters?.pluginId || filters.pluginId === prometheus.type ? [settings] : [],
    reload: () => undefined,
    registerRuntimeDataSource: () => undefined,
  };
  setDataSourceSrv(service as unknown as DataSourceSrv);
}
