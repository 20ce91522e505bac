/** Axes of a small chart: where a value lies, and which values are written beside the axis. */

export interface Scale {
  /** From 0 to 1. */
  at: (value: number) => number;
  /** The value at a place from 0 to 1. */
  value: (place: number) => number;
  ticks: number[];
}

const finite = (values: readonly number[]) => values.filter(Number.isFinite);

/** A logarithmic scale over positive values; ticks at powers of ten, or of two where `base` is 2. */
export function logScale(values: readonly number[], base: 2 | 10 = 10, most = 6): Scale {
  const positive = finite(values).filter((value) => value > 0);
  const low = Math.min(...positive, Infinity);
  const high = Math.max(...positive, -Infinity);
  const [from, to] = low > high ? [0, 1] : [Math.log(low), Math.log(high)];
  const span = to - from || 1;
  const start = Math.ceil(from / Math.log(base) - 1e-9);
  const end = Math.floor(to / Math.log(base) + 1e-9);
  const every = Math.max(1, Math.ceil((end - start + 1) / most));
  const ticks: number[] = [];
  for (let power = Math.ceil(start / every) * every; power <= end; power += every) ticks.push(base ** power);
  return {
    at: (value) => (Math.log(value) - from) / span,
    value: (place) => Math.exp(from + place * span),
    ticks,
  };
}

/** A linear scale with round ticks; `zero` makes it begin there. */
export function linearScale(values: readonly number[], zero = false, most = 5): Scale {
  const known = finite(values);
  const low = zero ? 0 : Math.min(...known, Infinity);
  const high = Math.max(...known, -Infinity);
  if (low > high) return { at: () => 0, value: () => 0, ticks: [] };
  const room = (high - low || Math.abs(high) || 1) * 0.06;
  const [from, to] = [zero ? 0 : low - room, high + room];
  const step = niceStep((to - from) / most);
  const ticks: number[] = [];
  for (let tick = Math.ceil(from / step) * step; tick <= to; tick += step)
    ticks.push(Number(tick.toPrecision(12)));
  return { at: (value) => (value - from) / (to - from), value: (place) => from + place * (to - from), ticks };
}

function niceStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough));
  const first = rough / power;
  return power * (first <= 1 ? 1 : first <= 2 ? 2 : first <= 5 ? 5 : 10);
}

/** The y of a line at an x: between two points along their logarithms where the axes are logarithmic. */
export function valueAt(points: readonly { x: number; y: number }[], x: number): number | null {
  const [first, last] = [points[0], points.at(-1)];
  if (!first || !last || x < first.x || x > last.x) return null;
  const after = points.findIndex((point) => point.x >= x);
  const right = points[after]!;
  const left = points[Math.max(0, after - 1)]!;
  if (right.x === left.x) return right.y;
  const share = (x - left.x) / (right.x - left.x);
  return left.y + share * (right.y - left.y);
}
