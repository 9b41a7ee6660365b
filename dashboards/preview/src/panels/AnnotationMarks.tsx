import { colorManipulator, type DataFrame } from '@grafana/data';
import { DEFAULT_ANNOTATION_COLOR, type UPlotConfigBuilder, useTheme2 } from '@grafana/ui';
import { useLayoutEffect, useRef } from 'react';
import type uPlot from 'uplot';

interface Mark {
  from: number;
  to: number;
  color: string;
}

interface AnnotationMarksProps {
  config: UPlotConfigBuilder;
  annotations?: DataFrame[];
  /** Regions are filled and bordered in the graph; without it they only show below it. */
  regions?: boolean;
}

/**
 * Draws annotations into a uPlot graph as Grafana's panels do: a dashed line at a point in time or at both ends of a
 * region, the region's fill, and a mark below the time axis. The part of Grafana that does it is not published.
 */
export function AnnotationMarks({ config, annotations, regions }: AnnotationMarksProps) {
  const theme = useTheme2();
  const plot = useRef<uPlot>(undefined);
  const marks = useRef<Mark[]>([]);
  marks.current = marksOf(annotations ?? [], (name) => theme.visualization.getColorByName(name));

  // Annotations often arrive after the graph was drawn.
  useLayoutEffect(() => plot.current?.redraw(false, false), [annotations]);

  useLayoutEffect(() => {
    config.addHook('init', (u) => {
      plot.current = u;
    });
    config.addHook('draw', (u) => {
      u.ctx.save();
      for (const mark of marks.current) {
        drawMark(u, mark, regions ?? false);
      }
      u.ctx.restore();
    });
  }, [config, regions]);

  return null;
}

function marksOf(frames: DataFrame[], colorByName: (name: string) => string): Mark[] {
  return frames.flatMap((frame) => {
    const values = (name: string) => frame.fields.find((field) => field.name === name)?.values;
    const times = values('time') ?? [];
    const ends = values('timeEnd') ?? times;
    const colors = values('color') ?? [];
    return times.map((from: number, index: number) => ({
      from,
      to: ends[index] ?? from,
      color: colorByName(colors[index] ?? DEFAULT_ANNOTATION_COLOR),
    }));
  });
}

function drawMark(u: uPlot, { from, to, color }: Mark, regions: boolean): void {
  const { ctx, bbox } = u;
  const clamp = (x: number) => Math.min(Math.max(x, bbox.left), bbox.left + bbox.width);
  const left = u.valToPos(from, 'x', true);
  const right = u.valToPos(to, 'x', true);
  if (right < bbox.left || left > bbox.left + bbox.width) {
    return;
  }
  const isRegion = to > from;

  const line = (x: number) => {
    if (x < bbox.left || x > bbox.left + bbox.width) {
      return;
    }
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.lineWidth = 2;
    ctx.setLineDash([5, 5]);
    ctx.strokeStyle = color;
    ctx.stroke();
  };
  if (!isRegion || regions) {
    line(left);
  }
  if (isRegion && regions) {
    line(right);
    ctx.fillStyle = colorManipulator.alpha(color, 0.1);
    ctx.fillRect(clamp(left), bbox.top, clamp(right) - clamp(left), bbox.height);
  }

  ctx.fillStyle = color;
  const bottom = bbox.top + bbox.height;
  const size = 5 * devicePixelRatio;
  if (isRegion) {
    ctx.fillRect(clamp(left), bottom, clamp(right) - clamp(left), size);
  } else {
    ctx.beginPath();
    ctx.moveTo(left, bottom);
    ctx.lineTo(left - size, bottom + size);
    ctx.lineTo(left + size, bottom + size);
    ctx.fill();
  }
}
