import { LoadingState } from '@grafana/data';
import {
  dataLayers,
  MultiValueVariable,
  sceneGraph,
  type SceneObject,
  SceneQueryRunner,
  VizPanel,
} from '@grafana/scenes';
import type { RequestCount } from './requests';

/** Frames without any change that count as still: one for React's answer to the last data, one for its effects. */
const STILL_FRAMES = 2;

const TIMEOUT_MS = 60_000;

/** Resolves when every query is answered and the page has stopped to change. */
export async function untilStill(scene: SceneObject, requests: RequestCount): Promise<void> {
  await document.fonts.ready;
  let stillFrames = 0;
  const observer = new MutationObserver(() => {
    stillFrames = 0;
  });
  observer.observe(document.body, { subtree: true, childList: true, attributes: true, characterData: true });
  const start = performance.now();
  while (stillFrames < STILL_FRAMES) {
    await nextFrame();
    const busy = whatIsBusy(scene, requests);
    stillFrames = busy ? 0 : stillFrames + 1;
    if (performance.now() - start > TIMEOUT_MS) {
      throw new Error(`the page does not become still: ${busy ?? 'its elements change'}`);
    }
  }
  observer.disconnect();
}

/** A frame and the timers of zero length that were set before it; scenes start their queries in such timers. */
function nextFrame(): Promise<void> {
  return new Promise((resolve) => {
    requestAnimationFrame(() => setTimeout(resolve, 0));
  });
}

function whatIsBusy(scene: SceneObject, requests: RequestCount): string | undefined {
  if (requests.pending > 0) {
    return `${requests.pending} requests are not answered`;
  }
  const busy = sceneGraph.findObject(scene, (object) => object.isActive && isBusy(object));
  return busy ? `${busy.constructor.name} ${busy.state.key} is loading` : undefined;
}

function isBusy(object: SceneObject): boolean {
  if (object instanceof SceneQueryRunner) {
    return !isFinished(object.state.data?.state);
  }
  if (object instanceof dataLayers.AnnotationsDataLayer) {
    return Boolean(object.state.isEnabled) && !isFinished(object.state.data?.state);
  }
  if (object instanceof VizPanel) {
    return !object.getPlugin() && !object.state._pluginLoadError;
  }
  return object instanceof MultiValueVariable && Boolean(object.state.loading);
}

function isFinished(state: LoadingState | undefined): boolean {
  return state === LoadingState.Done || state === LoadingState.Error;
}
