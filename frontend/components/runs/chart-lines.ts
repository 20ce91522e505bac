/** What a chart draws: lines with their bands and ghosts, on one axis, back to front. */

import { type Axis, type Curve, onAxis, pick, placeOfStep, smooth } from "@/lib/metrics";

export interface ChartLine {
  name: string;
  label: string;
  /** CSS variable of its colour, or a colour. */
  colour: string;
  curve: Curve;
  /** What earlier attempts drew beyond the step that was resumed from. */
  ghosts: readonly Curve[];
  /** Weight of the exponential mean; the raw line stays, faint. */
  smoothing?: number;
  /** Few values: mark each. */
  points?: boolean;
  dashed?: boolean;
  /** When its run began, for the axis of time. */
  origin?: number | null;
}

/** Something that happened at a step. */
export interface Mark {
  step: number;
  kind: "checkpoint" | "alert" | "open";
  label: string;
}

export interface PlacedMark extends Mark {
  /** Where it lies on the axis. */
  at: number;
}

export interface Scales {
  axis: Axis;
  logX: boolean;
  logY: boolean;
}

export const PLAIN: Scales = { axis: "step", logX: false, logY: false };

export interface Drawn {
  label: string;
  colour: string;
  curve: Curve;
  kind: "line" | "raw" | "ghost" | "high" | "low";
  points: boolean;
  dashed: boolean;
}

/** A curve as it is drawn: on its axis, without what a logarithmic one cannot show. */
export function placed(curve: Curve, { axis, logX, logY }: Scales, origin: number | null = null): Curve {
  let found = onAxis(curve, axis, origin);
  if (logX) found = pick(found, (place) => (found.steps[place] as number) > 0);
  if (!logY) return found;
  const above = (list: readonly (number | null)[]) =>
    list.map((value) => (value !== null && value > 0 ? value : null));
  return {
    ...found,
    values: above(found.values),
    low: found.low && above(found.low),
    high: found.high && above(found.high),
  };
}

/** Whether points stand for several values that are not all the same. */
export const hasBand = ({ low, high }: Curve): boolean =>
  low !== undefined &&
  high !== undefined &&
  low.some((value, place) => value !== null && value !== high[place]);

/** Back to front: ghosts, bands, raw lines under smoothed ones, the lines that count. */
export function drawnOf(lines: readonly ChartLine[], scales: Scales): Drawn[] {
  const whole = lines.map((line) => ({ line, curve: placed(line.curve, scales, line.origin) }));
  const part = (line: ChartLine, curve: Curve, kind: Drawn["kind"]): Drawn => ({
    label: line.label,
    colour: line.colour,
    curve: { steps: curve.steps, values: curve.values },
    kind,
    points: Boolean(line.points),
    dashed: Boolean(line.dashed),
  });
  return [
    ...lines.flatMap((line) =>
      line.ghosts.map((ghost) => part(line, placed(ghost, scales, line.origin), "ghost")),
    ),
    ...whole
      .filter(({ curve }) => hasBand(curve))
      .flatMap(({ line, curve }) => [
        part(line, { steps: curve.steps, values: curve.high ?? [] }, "high"),
        part(line, { steps: curve.steps, values: curve.low ?? [] }, "low"),
      ]),
    ...whole.filter(({ line }) => line.smoothing).map(({ line, curve }) => part(line, curve, "raw")),
    ...whole.map(({ line, curve }) =>
      part(
        line,
        line.smoothing ? { steps: curve.steps, values: smooth(curve.values, line.smoothing) } : curve,
        "line",
      ),
    ),
  ];
}

/** The marks where they lie on the axis of the first line that knows. */
export function placedMarks(
  marks: readonly Mark[],
  lines: readonly ChartLine[],
  { axis, logX }: Scales,
): PlacedMark[] {
  const line = lines.find(({ curve }) => curve.steps.length > 0);
  if (!line) return [];
  return marks.flatMap((mark) => {
    const at = placeOfStep(line.curve, mark.step, axis, line.origin ?? null);
    return at === null || (logX && at <= 0) ? [] : [{ ...mark, at }];
  });
}
