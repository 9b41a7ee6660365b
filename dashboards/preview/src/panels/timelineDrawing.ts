import {
  colorManipulator,
  type DataFrame,
  FALLBACK_COLOR,
  type Field,
  formattedValueToString,
  getFieldDisplayName,
  type GrafanaTheme2,
  MappingType,
  SpecialValueMatch,
  type TimeRange,
} from '@grafana/data';
import { AxisPlacement, ScaleDirection, ScaleOrientation, VisibilityMode } from '@grafana/schema';
import { FIXED_UNIT, UPlotConfigBuilder } from '@grafana/ui';
import uPlot from 'uplot';
import type { TimelineOptions } from './stateTimeline';

/** changes: a bar from each value to the next one (state timeline); samples: a box a point (status history). */
export type TimelineLayout = 'changes' | 'samples';

interface TimelineConfig {
  frame: DataFrame;
  theme: GrafanaTheme2;
  timeZone: string | string[];
  getTimeRange: () => TimeRange;
  options: TimelineOptions;
  layout: TimelineLayout;
}

/** Top and height of a row as parts of the graph's height. */
interface RowPlace {
  top: number;
  height: number;
}

/** A piece of a row: the values from index to the one before the next box have one color. */
interface Box {
  index: number;
  left: number;
  width: number;
}

/** Configures Grafana's uPlot wrapper for rows of states; only what is drawn inside the graph is not Grafana's. */
export function timelineConfig(config: TimelineConfig): UPlotConfigBuilder {
  const { frame, theme, timeZone, getTimeRange, options, layout } = config;
  const zone = Array.isArray(timeZone) ? timeZone[0] : timeZone;
  const rows = frame.fields.slice(1);
  const placement = rows[0]?.config.custom?.axisPlacement;
  const rowTops = placeRows(rows.length, rows.length > 1 ? options.rowHeight : 1);

  const builder = new UPlotConfigBuilder(zone);
  builder.setPrepData(([aligned]) => aligned.fields.map((field) => field.values) as uPlot.AlignedData);
  builder.addScale({
    scaleKey: 'x',
    isTime: true,
    orientation: ScaleOrientation.Horizontal,
    direction: ScaleDirection.Right,
    range: (u) => timeScale(u, getTimeRange(), layout),
  });
  builder.addScale({
    scaleKey: FIXED_UNIT,
    isTime: false,
    orientation: ScaleOrientation.Vertical,
    direction: ScaleDirection.Up,
    range: [0, 1],
  });
  builder.addAxis({ scaleKey: 'x', isTime: true, placement: AxisPlacement.Bottom, timeZone: zone, theme });
  builder.addAxis({
    scaleKey: FIXED_UNIT,
    isTime: false,
    placement: AxisPlacement.Left,
    splits: rowTops.map(({ top, height }) => 1 - (top + height / 2)),
    values: () => rows.map((field) => (placement === AxisPlacement.Hidden ? '' : getFieldDisplayName(field, frame))),
    grid: { show: false },
    ticks: { show: false },
    gap: placement === AxisPlacement.Hidden ? 0 : 16,
    size: placement === AxisPlacement.Hidden ? 0 : rows[0]?.config.custom?.axisWidth,
    theme,
  });

  rows.forEach((field, row) => {
    builder.addSeries({
      scaleKey: FIXED_UNIT,
      theme,
      lineWidth: field.config.custom?.lineWidth,
      show: !field.config.custom?.hideFrom?.viz,
      pathBuilder: (u, seriesIndex) => {
        drawRow(u, seriesIndex, field, rowTops[row], config);
        return null;
      },
      pointsBuilder: () => undefined,
    });
  });
  return builder;
}

/** Lays rows out from the top to the bottom edge, the space between them shared out evenly. */
function placeRows(count: number, rowHeight: number): RowPlace[] {
  const height = rowHeight / count;
  const gap = count > 1 ? (1 - rowHeight) / (count - 1) : 0;
  return Array.from({ length: count }, (_, row) => ({ top: row * (height + gap), height }));
}

/** Boxes lie around their points, so the first and the last one need half a box more. */
function timeScale(u: uPlot, range: TimeRange, layout: TimelineLayout): [number, number] {
  const times = u.data[0];
  let min = range.from.valueOf();
  let max = range.to.valueOf();
  if (layout === 'samples' && times.length > 1) {
    const half = (times[1] - times[0]) / 2;
    min = min <= times[0] ? times[0] - half : min;
    max = max >= times[times.length - 1] ? times[times.length - 1] + half : max;
  }
  return [min, max];
}

function drawRow(u: uPlot, seriesIndex: number, field: Field, place: RowPlace, config: TimelineConfig): void {
  const { ctx, bbox } = u;
  const { theme, options, layout } = config;
  const values = u.data[seriesIndex];
  const top = Math.round(bbox.top + place.top * bbox.height);
  const height = Math.round(place.height * bbox.height);
  const lineWidth = Math.round((field.config.custom?.lineWidth ?? 0) * devicePixelRatio);
  const boxes = layout === 'changes' ? changeBoxes(u, values, field, options) : sampleBoxes(u, values, field, options);

  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  for (const box of boxes) {
    const display = field.display!(values[box.index]);
    const color = display.color ?? FALLBACK_COLOR;
    const fill = fillColor(color, field.config.custom?.fillOpacity);
    ctx.fillStyle = fill;
    ctx.fillRect(box.left, top, box.width, height);
    if (lineWidth > 0) {
      ctx.lineWidth = lineWidth;
      ctx.strokeStyle = color;
      ctx.strokeRect(box.left + lineWidth / 2, top + lineWidth / 2, box.width - lineWidth, height - lineWidth);
    }
    if (options.showValue !== VisibilityMode.Never) {
      drawText(ctx, formattedValueToString(display), { ...box, top, height, lineWidth, fill }, theme, config);
    }
  }
  ctx.restore();
}

function changeBoxes(u: uPlot, values: uPlot.AlignedData[number], field: Field, options: TimelineOptions): Box[] {
  const times = u.data[0];
  const end = u.bbox.left + u.bbox.width;
  const drawsNull = mapsNull(field);
  const boxes: Box[] = [];
  let index = 0;
  while (index < values.length) {
    const value = values[index];
    let next = index + 1;
    // A value that is undefined comes from another series' point in time: the state goes on there.
    while (next < values.length && (values[next] === undefined || (options.mergeValues && values[next] === value))) {
      next++;
    }
    if (value != null || (drawsNull && value === null)) {
      const left = Math.round(u.valToPos(times[index], 'x', true));
      const right = next < values.length ? Math.round(u.valToPos(times[next], 'x', true)) : end;
      boxes.push({ index, left, width: Math.max(1, right - left) });
    }
    index = next;
  }
  return boxes;
}

function sampleBoxes(u: uPlot, values: uPlot.AlignedData[number], field: Field, options: TimelineOptions): Box[] {
  const times = u.data[0];
  const column = u.valToPos(times[1], 'x', true) - u.valToPos(times[0], 'x', true);
  const width = Math.max(1, Math.round(column * (options.colWidth ?? 1)));
  const drawsNull = mapsNull(field);
  return Array.from(values, (value, index) => ({ value, index }))
    .filter(({ value }) => value != null || (drawsNull && value === null))
    .map(({ index }) => ({ index, left: Math.round(u.valToPos(times[index], 'x', true) - width / 2), width }));
}

/** A gap is drawn only where a mapping gives it a text. */
function mapsNull(field: Field): boolean {
  return (field.config.mappings ?? []).some(
    (mapping) =>
      mapping.type === MappingType.SpecialValue &&
      (mapping.options.match === SpecialValueMatch.Null || mapping.options.match === SpecialValueMatch.NullAndNaN)
  );
}

/** A color that has an opacity of its own keeps it. */
function fillColor(color: string, opacityPercent = 100): string {
  return /^#[0-9a-f]{8}$/i.test(color) ? color : colorManipulator.alpha(color, opacityPercent / 100);
}

interface TextBox extends Box {
  top: number;
  height: number;
  lineWidth: number;
  fill: string;
}

function drawText(
  ctx: CanvasRenderingContext2D,
  text: string,
  box: TextBox,
  theme: GrafanaTheme2,
  { options, layout }: TimelineConfig
): void {
  const padding = 2;
  const averageCharacterWidth = 8.5 * devicePixelRatio;
  const fitting = Math.floor(box.width / averageCharacterWidth);
  if (options.showValue === VisibilityMode.Auto && fitting < 2) {
    return;
  }
  const align = layout === 'samples' ? 'center' : (options.alignValue ?? 'left');
  const x = {
    left: box.left + box.lineWidth + padding,
    center: box.left + box.width / 2,
    right: box.left + box.width - box.lineWidth - padding,
  }[align as 'left' | 'center' | 'right'];

  ctx.font = `500 ${Math.round(12 * devicePixelRatio)}px ${theme.typography.fontFamily}`;
  ctx.textAlign = align;
  ctx.textBaseline = 'middle';
  ctx.fillStyle = theme.colors.getContrastText(box.fill, 3);
  ctx.fillText(text.slice(0, fitting), Math.round(x), Math.round(box.top + box.height / 2));
}
