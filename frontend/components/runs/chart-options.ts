/** How uPlot is told to draw the lines of a chart. */

import type uPlot from "uplot";

import { formatDuration, formatFlops, formatNumber, formatShort } from "@/lib/format";
import type { Axis } from "@/lib/metrics";
import type { Click } from "@/lib/run-pick";

import type { Drawn, PlacedMark, Scales } from "./chart-lines";

export interface Looks {
  height: number;
  scales: Scales;
  /** The stretch of the axis that is shown; null: all of it. Asked at every drawing. */
  zoom: () => readonly [number, number] | null;
  marks: () => readonly PlacedMark[];
  /** A value that lines are held against, with a few words. */
  rule?: Rule;
  /** How the values of the upright axis read. */
  tick?: (value: number) => string;
  /** The place under the cursor, what happened there, and the line that is nearest to it. */
  onCursor: (at: number | null, mark: PlacedMark | null, nearest: string | null) => void;
  onClick?: () => ((click: Click) => void) | undefined;
  onZoom: (stretch: [number, number]) => void;
}

export interface Rule {
  at: number;
  label: string;
}

const NEAR_PX = 7;
const CLICK_PX = 8; // a click means what lies about so near
const DRAG_PX = 4;
const AXIS_WORDS: Record<Axis, string> = {
  step: "step",
  tokens: "tokens",
  flops: "floating-point operations",
  time: "time since the start",
};
const ALPHAS: Record<Drawn["kind"], number> = { line: 1, raw: 0.25, ghost: 0.3, high: 0.3, low: 0.3 };

/** A place on the axis in words. */
export const placeWords = (axis: Axis, at: number): string =>
  axis === "time"
    ? formatDuration(at)
    : axis === "tokens"
      ? `${formatShort(at)} tokens`
      : axis === "flops"
        ? formatFlops(at)
        : `step ${formatNumber(at)}`;

const placeText = (axis: Axis, at: number): string =>
  axis === "time"
    ? timeText(at)
    : axis === "flops"
      ? at === 0
        ? "0"
        : formatFlops(at, "")
      : formatShort(at);

export function optionsOf(target: HTMLElement, drawn: readonly Drawn[], looks: Looks): uPlot.Options {
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  const font = `12px ${getComputedStyle(document.body).fontFamily}`;
  const ink = colour("--muted");
  const { axis, logX, logY } = looks.scales;
  const { rule, tick } = looks;
  const inkOf = (name: string) => (name.startsWith("--") ? colour(name) : name);
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
      y: logY ? { distr: 3, log: 10, ...(rule ? { range: rangeWith(rule) } : {}) } : { range: paddedRange },
    },
    axes: [
      {
        stroke: ink,
        font,
        grid: { show: false },
        ticks: { show: false },
        size: 28,
        gap: 6,
        space: axis === "time" ? 76 : 50, // "12 min 30 s" is long
        label: AXIS_WORDS[axis],
        labelFont: font,
        labelSize: 16,
        labelGap: -4,
        values: (_chart, ticks) => ticks.map((tick) => (tick === null ? "" : placeText(axis, tick))),
      },
      {
        stroke: ink,
        font,
        grid: {
          stroke: colour("--chart-grid"),
          width: 1,
          filter: (_chart, splits) => (logY ? decades(splits) : splits),
        },
        ticks: { show: false },
        size: 52,
        gap: 6,
        space: 36,
        values: (_chart, ticks) =>
          tick ? ticks.map((value) => (value === null ? "" : tick(value))) : tickTexts(ticks),
      },
    ],
    series: [
      {},
      ...drawn.map((item): uPlot.Series => {
        const strong = inkOf(item.colour);
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
        ? [{ series: [place + 1, place + 2] as [number, number], fill: `${inkOf(item.colour)}38` }]
        : [],
    ),
    hooks: {
      ready: [(chart) => listen(chart, looks, logY)],
      setCursor: [
        (chart) => {
          const place = chart.cursor.idx;
          const at = place === null || place === undefined ? null : (chart.data[0][place] ?? null);
          looks.onCursor(at, nearMark(chart, looks.marks()), nearLine(chart, drawn));
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
      draw: [
        (chart) => drawMarks(chart, looks.marks(), colour("--bad"), colour("--accent"), ink),
        (chart) => rule && drawRule(chart, rule, ink, colour("--surface"), font),
      ],
    },
  };
}

/** Tells of clicks that are no drags. */
function listen(chart: uPlot, looks: Looks, logY: boolean): void {
  let down = 0;
  chart.over.addEventListener("mousedown", (event) => void (down = event.clientX));
  chart.over.addEventListener("click", (event) => {
    const onClick = looks.onClick?.();
    const { left = -1, top = -1 } = chart.cursor;
    if (!onClick || left < 0 || Math.abs(event.clientX - down) > DRAG_PX) return;
    const spread = (axis: "x" | "y", at: number): [number, number] => [
      chart.posToVal(at - CLICK_PX, axis),
      chart.posToVal(at + CLICK_PX, axis),
    ];
    const [x0, x1] = spread("x", left);
    const [y0, y1] = spread("y", top);
    onClick({
      at: chart.posToVal(left, "x"),
      value: chart.posToVal(top, "y"),
      unitX: Math.abs(x1 - x0) / 2,
      unitY: (logY ? Math.abs(Math.log(y1 / y0)) : Math.abs(y1 - y0)) / 2,
      logY,
    });
  });
}

/** The line whose value is nearest to the cursor, of those that count; null away from the chart. */
function nearLine(chart: uPlot, drawn: readonly Drawn[]): string | null {
  const { idx, top } = chart.cursor;
  if (idx === null || idx === undefined || top === undefined || top < 0) return null;
  let best: string | null = null;
  let least = Infinity;
  drawn.forEach((item, place) => {
    const value = item.kind === "line" ? chart.data[place + 1]?.[idx] : null;
    if (value === null || value === undefined) return;
    const far = Math.abs(chart.valToPos(value, "y") - top);
    if (far < least) [best, least] = [item.label, far];
  });
  return best;
}

/** Room for the values and for the rule that they are held against. */
const rangeWith =
  (rule: Rule): uPlot.Range.Function =>
  (_chart, low, high) =>
    low === null || high === null
      ? [0.1 * rule.at, 10 * rule.at]
      : [Math.min(low, rule.at) / 1.25, Math.max(high, rule.at) * 1.25];

/** Of a logarithmic axis over two decades and more, only whole decades get a line. */
function decades(splits: readonly number[]): (number | null)[] {
  const [low = 1, high = 1] = [splits[0], splits.at(-1)];
  const whole = (value: number) => Math.abs(Math.log10(value) - Math.round(Math.log10(value))) < 1e-9;
  return high / low < 100 ? [...splits] : splits.map((value) => (whole(value) ? value : null));
}

function drawRule(chart: uPlot, rule: Rule, ink: string, ground: string, font: string): void {
  const { ctx, bbox } = chart;
  const y = chart.valToPos(rule.at, "y", true);
  if (y < bbox.top || y > bbox.top + bbox.height) return;
  const unit = devicePixelRatio || 1;
  ctx.save();
  ctx.globalAlpha = 0.75;
  ctx.strokeStyle = ink;
  ctx.lineWidth = unit;
  ctx.setLineDash([2 * unit, 4 * unit]);
  ctx.beginPath();
  ctx.moveTo(bbox.left, y);
  ctx.lineTo(bbox.left + bbox.width, y);
  ctx.stroke();
  ctx.globalAlpha = 1;
  ctx.fillStyle = ink;
  ctx.font = font.replace("12px", `${11 * unit}px`);
  ctx.textAlign = "left";
  // With a rim of the ground, so that lines that cross it leave it readable.
  ctx.strokeStyle = ground;
  ctx.lineWidth = 4 * unit;
  ctx.setLineDash([]);
  ctx.strokeText(rule.label, bbox.left + 6 * unit, y - 5 * unit);
  ctx.fillText(rule.label, bbox.left + 6 * unit, y - 5 * unit);
  ctx.restore();
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

/** Alerts and the opened step as lines over the whole height, checkpoints as small flags at the foot. */
function drawMarks(
  chart: uPlot,
  marks: readonly PlacedMark[],
  alarm: string,
  accent: string,
  ink: string,
): void {
  const { ctx, bbox } = chart;
  const unit = devicePixelRatio || 1;
  ctx.save();
  for (const mark of marks) {
    const x = chart.valToPos(mark.at, "x", true);
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    const foot = bbox.top + bbox.height;
    ctx.beginPath();
    if (mark.kind !== "checkpoint") {
      ctx.strokeStyle = mark.kind === "alert" ? alarm : accent;
      ctx.lineWidth = unit;
      ctx.setLineDash(mark.kind === "alert" ? [3 * unit, 3 * unit] : []);
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
