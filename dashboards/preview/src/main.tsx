import { GlobalStyles, PortalContainer } from '@grafana/ui';
import { ThemeContext } from '@grafana/data';
import { config, locationService, LocationServiceProvider } from '@grafana/runtime';
import { createRoot } from 'react-dom/client';
import { BrowserRouter } from 'react-router-dom';
import type { DashboardListing, DashboardModel } from './dashboard/model';
import { makeScene } from './dashboard/scene';
import { bootGrafana } from './grafana/boot';
import { PrometheusApi } from './prometheus/api';
import { PrometheusDataSource } from './prometheus/dataSource';
import { QueryLog } from './queryLog';
import { type PageReport, makeReport } from './report';
import { countRequests } from './requests';
import { untilStill } from './stillness';

/** What the driver asks the page. */
interface Preview {
  untilStill(): Promise<void>;
  report(): PageReport;
}

declare global {
  interface Window {
    /** A promise, so that the driver learns of a dashboard that cannot be drawn. */
    preview: Promise<Preview>;
  }
}

async function fetchJson<T>(path: string): Promise<T> {
  const response = await fetch(path);
  if (!response.ok) {
    throw new Error(`${path}: ${response.status}`);
  }
  return response.json();
}

/** Draws the dashboard that the address names: ?uid=…&theme=…&from=…&to=…&expand&var-NAME=… */
async function draw(): Promise<Preview> {
  const requests = countRequests();
  const address = new URLSearchParams(location.search);
  const log = new QueryLog();
  await bootGrafana(address.get('theme') ?? 'dark', new PrometheusDataSource(new PrometheusApi('/prom'), log));

  const model = await fetchJson<DashboardModel>(`/dashboards/${address.get('uid')}.json`);
  const dashboards = await fetchJson<DashboardListing[]>('/dashboards.json');
  const scene = makeScene(model, address, dashboards);
  createRoot(document.getElementById('root')!).render(
    <ThemeContext.Provider value={config.theme2}>
      <BrowserRouter>
        <LocationServiceProvider service={locationService}>
          <GlobalStyles />
          <scene.Component model={scene} />
          <PortalContainer />
        </LocationServiceProvider>
      </BrowserRouter>
    </ThemeContext.Provider>
  );
  return {
    untilStill: () => untilStill(scene, requests),
    report: () => makeReport(scene, log),
  };
}

window.preview = draw();
