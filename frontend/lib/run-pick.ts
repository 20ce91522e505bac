/** From a click on a chart to the very step that is meant, however many steps a drawn point stands for. */

import { api } from "./api";
import { type Axis, type Curve, curveOf, onAxis, stepsBehind } from "./metrics";

/** Where a chart was clicked, in the units of its axes. */
export interface Click {
  at: number;
  value: number;
  /**
   * How much of each axis a few pixels are there; with `logY` of the value's logarithm. Infinite for keys, which
   * come to a drawn point: what stands out most of all that it stands for is meant.
   */
  unitX: number;
  unitY: number;
  logY: boolean;
}

export interface Candidate {
  at: number;
  step: number;
  value: number;
}

const REACH = 1.25; // units around the click that are searched
const AS_NEAR = 0.4; // so much farther away counts as equally near

/**
 * The candidate that is meant: near the click, where each is drawn as a stroke from what is usual to its value;
 * among those that are equally near, the one that stands out most. A click on a spike, at any height of it,
 * thus finds the spike and not its neighbor.
 */
export function meantBy(click: Click, candidates: readonly Candidate[]): Candidate | null {
  if (!candidates.length) return null;
  const scale = (value: number) => (click.logY ? Math.log(Math.max(value, Number.MIN_VALUE)) : value);
  const sorted = candidates.map(({ value }) => scale(value)).sort((a, b) => a - b);
  const usual = sorted[sorted.length >> 1] as number;
  const height = scale(click.value);
  const judged = candidates.map((candidate) => {
    const value = scale(candidate.value);
    const [low, high] = value < usual ? [value, usual] : [usual, value];
    const beyond = Math.max(0, low - height, height - high) / click.unitY;
    return {
      candidate,
      far: Math.hypot((candidate.at - click.at) / click.unitX, beyond),
      stands: Math.abs(value - usual),
    };
  });
  const nearest = Math.min(...judged.map(({ far }) => far));
  return judged
    .filter(({ far }) => far <= nearest + AS_NEAR)
    .reduce((best, item) => (item.stands > best.stands ? item : best)).candidate;
}

/** The points of a curve as candidates: of a point that stands for several, the smallest and the greatest. */
export function candidatesOf(curve: Curve, axis: Axis, origin: number | null): Candidate[] {
  const places = onAxis(curve, axis, origin);
  const steps =
    axis === "step" ? curve.steps : onAxis({ ...curve, values: curve.steps }, axis, origin).values;
  return places.steps.flatMap((at, place) => {
    const ends = new Set([places.high?.[place], places.low?.[place], places.values[place]]);
    return [...ends].flatMap((value) =>
      value === null || value === undefined ? [] : [{ at, step: steps[place] as number, value }],
    );
  });
}

const MOST_POINTS = 10_000;

/**
 * The step that a click on a metric means. The stretch around it is read anew, finer each time, until a point
 * is a step.
 */
export async function pickStep(
  id: string,
  name: string,
  curve: Curve,
  axis: Axis,
  origin: number | null,
  click: Click,
): Promise<number | null> {
  const reach = Number.isFinite(click.unitX) ? REACH * click.unitX : 0;
  let part = stepsBehind(curve, [click.at - reach, click.at + reach], axis, origin);
  while (part) {
    const [start, end] = part;
    const read = await api.metrics(id, MOST_POINTS, undefined, { names: name, start, end });
    const series = read.series[name];
    if (!series?.step.length) return null;
    const found = curveOf(series);
    const meant = meantBy(click, candidatesOf(found, axis, origin));
    if (!meant) return found.steps.at(-1) ?? null; // no value there was a finite number
    if (series.points <= series.step.length) return meant.step;
    const place = found.steps.indexOf(meant.step);
    part = [place > 0 ? (found.steps[place - 1] as number) + 1 : start, meant.step];
  }
  return null;
}
