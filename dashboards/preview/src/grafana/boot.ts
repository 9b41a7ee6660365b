import { createTheme, EventBusSrv, LoadingState, locationUtil, type PanelData } from '@grafana/data';
import { initPluginTranslations } from '@grafana/i18n';
import { config, setAppEvents, setPluginImportUtils, setRunRequest, toDataQueryError } from '@grafana/runtime';
import { catchError, from, map, of } from 'rxjs';
import { registerPanels } from '../panels/register';
import type { PrometheusDataSource } from '../prometheus/dataSource';
import { registerDataSource } from './dataSources';
import { registerStandardFieldConfig } from './fieldConfigRegistry';
import { registerTransformations } from './transformations';

/**
 * Does what Grafana's application does before it draws its first dashboard: its packages hold registries and services
 * that are empty until somebody fills them.
 */
export async function bootGrafana(themeName: string, dataSource: PrometheusDataSource): Promise<void> {
  // The scene's code translates its texts and throws where no language is set.
  await initPluginTranslations('grafana');

  // Field overrides are applied outside of React, so the theme has to be here as well as in React's context.
  const theme = createTheme({ colors: { mode: themeName === 'light' ? 'light' : 'dark' } });
  config.theme2 = theme;

  setAppEvents(new EventBusSrv());
  locationUtil.initialize({
    config: { appSubUrl: '' } as never,
    getTimeRangeForUrl: () => ({}) as never,
    getVariablesUrlParams: () => ({}),
  });
  registerStandardFieldConfig();
  registerTransformations();
  registerDataSource(dataSource);
  setRunRequest(runRequest as never);

  registerPanels();
  // Asked for the panels that registerPanels does not know.
  setPluginImportUtils({
    importPanelPlugin: async (id: string) => {
      throw new Error(`the preview cannot draw panels of type ${id}`);
    },
    getPanelPluginFromCache: () => undefined,
  } as never);
}

/** Runs the queries of one panel or annotation. A failed query is a state of the panel, not an exception. */
function runRequest(dataSource: PrometheusDataSource, request: Parameters<PrometheusDataSource['query']>[0]) {
  const answer = { request, timeRange: request.range };
  return dataSource.query(request).pipe(
    map((response): PanelData => ({ ...answer, state: LoadingState.Done, series: response.data })),
    catchError((error) => {
      const queryError = toDataQueryError(error);
      return of<PanelData>({
        ...answer,
        state: LoadingState.Error,
        series: [],
        error: queryError,
        errors: [queryError],
      });
    })
  );
}
