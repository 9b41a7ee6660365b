import { colorManipulator, type GrafanaTheme2 } from '@grafana/data';
import * as chromatic from 'd3-scale-chromatic';

export interface HeatmapColorOptions {
  mode: 'scheme' | 'opacity';
  scheme: string;
  steps: number;
  reverse: boolean;
  fill: string;
  scale: 'exponential' | 'linear';
  exponent: number;
  min?: number;
  max?: number;
}

// Schemes by the end at which they are dark: Grafana turns them so that small counts look like the background.
const DIVERGING = [
  'BrBG',
  'PiYG',
  'PRGn',
  'PuOr',
  'RdBu',
  'RdGy',
  'RdYlBu',
  'RdYlGn',
  'Spectral',
  'Rainbow',
  'Sinebow',
];
const LIGHT_WHERE_HIGH = ['Turbo', 'Cividis', 'Viridis', 'Magma', 'Inferno', 'Plasma', 'Warm', 'Cool', 'Cubehelix'];

/** The colors of a heatmap from the smallest count to the largest. */
export function heatmapPalette(options: HeatmapColorOptions, theme: GrafanaTheme2): string[] {
  const parts = Array.from({ length: options.steps }, (_, step) => step / (options.steps - 1));
  if (options.mode === 'opacity') {
    const color = theme.visualization.getColorByName(options.fill);
    const exponent = options.scale === 'exponential' ? options.exponent : 1;
    return parts.map((part) => colorManipulator.alpha(color, part ** exponent));
  }

  const suffix = options.scheme === 'Cubehelix' ? 'CubehelixDefault' : options.scheme;
  const interpolate = (chromatic as Record<string, unknown>)[`interpolate${suffix}`];
  if (typeof interpolate !== 'function') {
    throw new Error(`unknown color scheme ${options.scheme} of a heatmap`);
  }
  const palette: string[] = parts.map((part) => interpolate(part));
  const isInverted =
    DIVERGING.includes(options.scheme) || (LIGHT_WHERE_HIGH.includes(options.scheme) ? theme.isLight : theme.isDark);
  return options.reverse || isInverted ? palette.reverse() : palette;
}
