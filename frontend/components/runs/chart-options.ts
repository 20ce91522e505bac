/** How uPlot is told to draw the lines of a chart. */

import type uPlot from "uplot";

import { formatDuration, formatNumber, formatShort } from "@/lib/format";
import type { Axis } from "@/lib/metrics";

import type { Drawn, PlacedMark, Scales } from "./chart-lines";

export interface Looks {
  height: number;
  scales: Scales;
  /** The stretch of the axis that is shown; null: all of it. Asked at every drawing. */
  zoom: () => readonly [number, number] | null;
  marks: () => readonly PlacedMark[];
  onCursor: (at: number | null, mark: PlacedMark | null) => void;
  onZoom: (stretch: [number, number]) => void;
}

const NEAR_PX = 7;
const AXIS_WORDS: Record<Axis, string> = { step: "step", tokens: "tokens", time: "time since the start" };
const ALPHAS: Record<Drawn["kind"], number> = { line: 1, raw: 0.25, ghost: 0.3, high: 0.3, low: 0.3 };

/** A place on the axis in words. */
export const placeWords = (axis: Axis, at: number): string =>
  axis === "time"
    ? formatDuration(at)
    : axis === "tokens"
      ? `${formatShort(at)} tokens`
      : `step ${formatNumber(at)}`;

export function optionsOf(target: HTMLElement, drawn: readonly Drawn[], looks: Looks): uPlot.Options {
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  const font = `12px ${getComputedStyle(document.body).fontFamily}`;
  const ink = colour("--muted");
  const { axis, logX, logY } = looks.scales;
  return {
    width: target.clientWidth,
    height: looks.height,
    padding: [8, 20, 0, 0],
    legend: { show: false },
    cursor: {
      sync: { key: `run-${axis}` },
      points: { size: 7 },
      drag: { x: true, y: false, setScale: false },
      y: false,
    },
    scales: {
      x: {
        time: false,
        distr: logX ? 3 : 1,
        log: 10,
        range: (_chart, low, high) => [...(looks.zoom() ?? [low ?? 0, high ?? 1])] as uPlot.Range.MinMax,
      },
      y: logY ? { distr: 3, log: 10 } : { range: paddedRange },
    },
    axes: [
      {
        stroke: ink,
        font,
        grid: { show: false },
        ticks: { show: false },
        size: 28,
        gap: 6,
        label: AXIS_WORDS[axis],
        labelFont: font,
        labelSize: 16,
        labelGap: -4,
        values: (_chart, ticks) =>
          ticks.map((tick) => (tick === null ? "" : axis === "time" ? timeText(tick) : formatShort(tick))),
      },
      {
        stroke: ink,
        font,
        grid: { stroke: colour("--chart-grid"), width: 1 },
        ticks: { show: false },
        size: 52,
        gap: 6,
        space: 36,
        values: (_chart, ticks) => tickTexts(ticks),
      },
    ],
    series: [
      {},
      ...drawn.map((item): uPlot.Series => {
        const strong = colour(item.colour);
        return {
          label: item.label,
          stroke: strong,
          alpha: ALPHAS[item.kind],
          width: item.kind === "line" ? 1.75 : 1,
          dash: item.kind === "ghost" || item.dashed ? [4, 3] : undefined,
          spanGaps: true,
          points: { show: item.kind === "line" && item.points, size: 5, fill: strong },
        };
      }),
    ],
    bands: drawn.flatMap((item, place) =>
      item.kind === "high"
        ? [{ series: [place + 1, place + 2] as [number, number], fill: `${colour(item.colour)}38` }]
        : [],
    ),
    hooks: {
      setCursor: [
        (chart) => {
          const place = chart.cursor.idx;
          const at = place === null || place === undefined ? null : (chart.data[0][place] ?? null);
          looks.onCursor(at, nearMark(chart, looks.marks()));
        },
      ],
      setSelect: [
        (chart) => {
          const { left, width } = chart.select;
          if (width < 4) return;
          looks.onZoom([chart.posToVal(left, "x"), chart.posToVal(left + width, "x")]);
          chart.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        },
      ],
      draw: [(chart) => drawMarks(chart, looks.marks(), colour("--bad"), ink)],
    },
  };
}

function nearMark(chart: uPlot, marks: readonly PlacedMark[]): PlacedMark | null {
  const { left } = chart.cursor;
  if (left === undefined || left < 0) return null;
  const near = marks
    .map((mark) => ({ mark, far: Math.abs(chart.valToPos(mark.at, "x") - left) }))
    .filter(({ far }) => far <= NEAR_PX)
    .sort((a, b) => a.far - b.far || (a.mark.kind === "alert" ? -1 : 1));
  return near[0]?.mark ?? null;
}

/** Alerts as lines over the whole height, checkpoints as small flags at the foot. */
function drawMarks(chart: uPlot, marks: readonly PlacedMark[], alarm: string, ink: string): void {
  const { ctx, bbox } = chart;
  const unit = devicePixelRatio || 1;
  ctx.save();
  for (const mark of marks) {
    const x = chart.valToPos(mark.at, "x", true);
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    const foot = bbox.top + bbox.height;
    ctx.beginPath();
    if (mark.kind === "alert") {
      ctx.strokeStyle = alarm;
      ctx.lineWidth = unit;
      ctx.setLineDash([3 * unit, 3 * unit]);
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, foot);
      ctx.stroke();
    } else {
      ctx.fillStyle = ink;
      ctx.moveTo(x, foot - 7 * unit);
      ctx.lineTo(x - 4 * unit, foot);
      ctx.lineTo(x + 4 * unit, foot);
      ctx.fill();
    }
  }
  ctx.restore();
}

/** Room above and below; a flat line stays in the middle. */
function paddedRange(_chart: uPlot, low: number, high: number): uPlot.Range.MinMax {
  if (low === null || high === null) return [0, 1];
  const room = (high - low || Math.abs(high) || 1) * 0.06;
  return [low >= 0 && low - room < 0 ? 0 : low - room, high + room];
}

const timeText = (seconds: number): string => (seconds === 0 ? "0" : formatDuration(seconds));

/** The ticks of an axis in one unit, with as few digits as tell them apart; a tick may go without a text. */
export function tickTexts(ticks: readonly (number | null)[]): string[] {
  const thousands = ticks.some((tick) => Math.abs(tick ?? 0) >= 10_000);
  return ticks.map((tick) => {
    if (tick === null) return "";
    const size = Math.abs(tick);
    if (thousands && size > 0 && size < 10_000) return `${formatNumber(tick / 1000, 2)}k`;
    if (size >= 1000) return formatShort(tick);
    if (size !== 0 && size < 1e-3) return tick.toExponential(1).replace(".0e", "e");
    return String(Number(tick.toPrecision(6)));
  });
}
