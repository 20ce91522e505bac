import type { MetricRow, Metrics, Series } from "./types";

/**
 * One curve: ascending steps and their values; `null` where a value was not finite. Where a point stands for
 * several, `low` and `high` are the smallest and greatest of them. All lists are of one length.
 */
export interface Curve {
  steps: number[];
  values: (number | null)[];
  low?: (number | null)[];
  high?: (number | null)[];
  /** Tokens read by then. */
  tokens?: (number | null)[];
  /** Floating-point operations done by then. */
  flops?: (number | null)[];
  /** Seconds since 1970. */
  times?: (number | null)[];
}

/** What a curve is drawn over. */
export type Axis = "step" | "tokens" | "flops" | "time";
export const AXES: Record<Axis, string> = { step: "Step", tokens: "Tokens", flops: "FLOPs", time: "Time" };
/** The name of an axis within a sentence. */
export const axisWord = (axis: Axis): string => (axis === "flops" ? AXES[axis] : AXES[axis].toLowerCase());

interface Line {
  segment: number;
  curve: Curve;
}

/** The segment of what a fork shows of the run that it came from. */
const INHERITED = -1;
const FLUSH_MS = 200;
const KEPT_ROWS = 2_000; // rows that may be newer than an answer that is on its way
const empty = (): Curve => ({ steps: [], values: [], low: [], high: [], tokens: [], flops: [], times: [] });
const listsOf = (curve: Curve): (number | null)[][] =>
  [curve.steps, curve.values, curve.low, curve.high, curve.tokens, curve.flops, curve.times].filter(
    (list): list is (number | null)[] => list !== undefined,
  );
/** What a curve knows of its points on another axis than steps. */
const along = (curve: Curve, axis: Exclude<Axis, "step">): readonly (number | null)[] =>
  (axis === "tokens" ? curve.tokens : axis === "flops" ? curve.flops : curve.times) ?? [];

/**
 * The metrics of one run, kept outside React: the first load gives the curves so far, the stream adds rows.
 * After a resume the newest attempt overwrites from its first step on; what it overwrites stays as a ghost.
 */
export class MetricStore {
  private lines = new Map<string, Line>();
  private ghostCurves = new Map<string, Curve[]>();
  private watchers = new Set<() => void>();
  private timer: ReturnType<typeof setTimeout> | null = null;
  private count = 0;
  private recent: MetricRow[] = [];
  private known = new Set<string>();

  /**
   * @param only the metrics that are kept here; all of them where it is not given. A run with instruments has
   *   hundreds: each part of a page keeps those that it draws.
   */
  constructor(private readonly only?: ReadonlySet<string>) {}

  /** Takes the answer of the metrics endpoint in place of everything older; newer rows of the stream stay. */
  load(metrics: Metrics): void {
    this.lines.clear();
    this.ghostCurves.clear();
    for (const name of metrics.names) this.known.add(name);
    for (const [name, series] of Object.entries(metrics.series)) {
      this.lines.set(name, { segment: Math.max(0, ...series.segment), curve: curveOf(series) });
    }
    for (const [name, series] of Object.entries(metrics.ghosts)) {
      const parts = splitSegments(series);
      if (parts.length) this.ghostCurves.set(name, parts);
    }
    for (const row of this.recent) if (row.id > metrics.cursor) this.addRow(row);
    this.notify();
  }

  /** Adds rows of the stream; a row that is known already changes nothing. */
  add(rows: readonly MetricRow[]): void {
    const before = this.known.size;
    for (const row of rows) this.known.add(row.name);
    const mine = this.only ? rows.filter((row) => this.only?.has(row.name)) : rows;
    for (const row of mine) this.addRow(row);
    this.recent = [...this.recent, ...mine].slice(-KEPT_ROWS);
    if (mine.length || this.known.size > before) this.schedule();
  }

  private addRow(row: MetricRow): void {
    let line = this.lines.get(row.name);
    if (!line) {
      line = { segment: row.segment, curve: empty() };
      this.lines.set(row.name, line);
    }
    if (row.segment < line.segment) return; // late news of an attempt that was overwritten
    const { curve } = line;
    if (row.segment > line.segment) {
      line.segment = row.segment;
      const cut = lowerBound(curve.steps, row.step);
      if (cut < curve.steps.length) {
        const [steps, values, low, high, tokens, flops, times] = listsOf(curve).map((list) =>
          list.splice(cut),
        );
        const ghost = { steps, values, low, high, tokens, flops, times } as Curve;
        this.ghostCurves.set(row.name, [...(this.ghostCurves.get(row.name) ?? []), ghost]);
      }
    }
    const place = lowerBound(curve.steps, row.step);
    const known = curve.steps[place] === row.step ? 1 : 0;
    const { step, value, tokens = null, flops = null, time = null } = row;
    const point = [step, value, value, value, tokens, flops, time];
    listsOf(curve).forEach((list, which) => list.splice(place, known, point[which] as number | null));
  }

  names(): string[] {
    return [...this.lines.keys()].sort();
  }

  /** The names of all metrics that the run has, kept here or not. */
  allNames(): string[] {
    return [...this.known].sort();
  }

  curve(name: string): Curve {
    return this.lines.get(name)?.curve ?? empty();
  }

  ghosts(name: string): readonly Curve[] {
    return this.ghostCurves.get(name) ?? [];
  }

  /** When the first value of the run was logged; null where that is not known. */
  origin(): number | null {
    let first: number | null = null;
    for (const { curve } of this.lines.values()) {
      const time = curve.times?.[0];
      if (time !== null && time !== undefined && (first === null || time < first)) first = time;
    }
    return first;
  }

  /** The newest finite value of a metric. */
  latest(name: string): number | null {
    const values = this.lines.get(name)?.curve.values ?? [];
    for (let place = values.length - 1; place >= 0; place -= 1) {
      const value = values[place];
      if (value !== null && value !== undefined) return value;
    }
    return null;
  }

  /** Grows with every change: the snapshot for useSyncExternalStore. */
  version = (): number => this.count;

  watch = (watcher: () => void): (() => void) => {
    this.watchers.add(watcher);
    return () => void this.watchers.delete(watcher);
  };

  private schedule(): void {
    this.timer ??= setTimeout(() => this.notify(), FLUSH_MS);
  }

  private notify(): void {
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
    this.count += 1;
    for (const watcher of [...this.watchers]) watcher();
  }
}

/** A line of the metrics endpoint as a curve. */
export function curveOf(series: Series): Curve {
  return {
    steps: [...series.step],
    values: [...series.value],
    low: [...series.min],
    high: [...series.max],
    tokens: [...series.tokens],
    flops: [...series.flops],
    times: [...series.time],
  };
}

function splitSegments(series: Series): Curve[] {
  const whole = curveOf(series);
  const parts = new Map<number, Curve>();
  whole.steps.forEach((_, place) => {
    const segment = series.segment[place] ?? 0;
    const curve = parts.get(segment) ?? empty();
    parts.set(segment, curve);
    const from = listsOf(whole);
    listsOf(curve).forEach((list, which) => list.push(from[which]?.[place] as number | null));
  });
  // Of another run, which may have been at work long ago: it has no place on this one's axis of time.
  const inherited = parts.get(INHERITED);
  if (inherited) inherited.times = inherited.times?.map(() => null);
  return [...parts.values()];
}

/** A curve with only the points that a test lets pass. */
export function pick(curve: Curve, keep: (place: number) => boolean): Curve {
  const kept = (list?: readonly (number | null)[]) => list?.filter((_, place) => keep(place));
  return {
    steps: curve.steps.filter((_, place) => keep(place)),
    values: curve.values.filter((_, place) => keep(place)),
    low: kept(curve.low),
    high: kept(curve.high),
    tokens: kept(curve.tokens),
    flops: kept(curve.flops),
    times: kept(curve.times),
  };
}

/**
 * A curve over another axis: its steps are then tokens, operations, or seconds since `origin`. Points for
 * which that is not known are left out.
 */
export function onAxis(curve: Curve, axis: Axis, origin: number | null = null): Curve {
  if (axis === "step") return curve;
  const list = along(curve, axis);
  const start = axis === "time" ? (origin ?? list.find((value) => value !== null) ?? 0) : 0;
  const known = pick(curve, (place) => list[place] !== null && list[place] !== undefined);
  const places = list.filter((value): value is number => value !== null && value !== undefined);
  return { ...known, steps: places.map((value) => value - start) };
}

/** Where a step lies on another axis: at the first point that is not before it. */
export function placeOfStep(curve: Curve, step: number, axis: Axis, origin: number | null): number | null {
  if (axis === "step") return step;
  const at = Math.min(lowerBound(curve.steps, step), curve.steps.length - 1);
  const value = along(curve, axis)[at];
  return value === null || value === undefined ? null : axis === "time" ? value - (origin ?? 0) : value;
}

/** The steps that a stretch of another axis covers, ends included; null where it holds none. */
export function stepsBetween(
  curve: Curve,
  [low, high]: readonly [number, number],
  axis: Axis,
  origin: number | null,
): [number, number] | null {
  const [places, own] = stepsAlong(curve, axis, origin);
  const first = lowerBound(places, low);
  const last = lowerBound(places, high + Number.EPSILON * Math.abs(high)) - (places.includes(high) ? 0 : 1);
  const [start, end] = [own[first], own[Math.min(last, own.length - 1)]];
  return start === undefined || end === undefined || start > end ? null : [start, end];
}

/**
 * The steps that the points of a stretch stand for, ends included: a point stands for the steps since the one
 * before it. Where the stretch holds no point, those of the first one after it.
 */
export function stepsBehind(
  curve: Curve,
  [low, high]: readonly [number, number],
  axis: Axis,
  origin: number | null,
): [number, number] | null {
  const [places, own] = stepsAlong(curve, axis, origin);
  if (!own.length) return null;
  const last = own.length - 1;
  const first = Math.min(lowerBound(places, low), last);
  const end = own[Math.max(first, Math.min(lowerBound(places, high), last))] as number;
  return [first ? (own[first - 1] as number) + 1 : (own[0] as number), end];
}

/** The places of a curve's points on an axis, and their steps; points without a place are left out. */
function stepsAlong(curve: Curve, axis: Axis, origin: number | null): [number[], number[]] {
  const places = onAxis(curve, axis, origin).steps;
  if (axis === "step") return [places, curve.steps];
  const list = along(curve, axis);
  return [places, curve.steps.filter((_, place) => (list[place] ?? null) !== null)];
}

/** First place whose step is not below `step`; the common case, the end, is looked at first. */
export function lowerBound(steps: readonly number[], step: number): number {
  let high = steps.length;
  if (high === 0 || (steps[high - 1] as number) < step) return high;
  let low = 0;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((steps[middle] as number) < step) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Exponential smoothing with the start's bias taken out (as Adam does), gaps kept. */
export function smooth(values: readonly (number | null)[], weight: number): (number | null)[] {
  if (weight <= 0) return [...values];
  let mean = 0;
  let norm = 0;
  return values.map((value) => {
    if (value === null) return null;
    mean = weight * mean + (1 - weight) * value;
    norm = weight * norm + (1 - weight);
    return mean / norm;
  });
}

/** Curves on one shared, sorted step axis (what uPlot draws); `undefined` where a curve has no point. */
export function alignCurves(curves: readonly Curve[]): [number[], ...(number | null | undefined)[][]] {
  const steps = [...new Set(curves.flatMap((curve) => curve.steps))].sort((a, b) => a - b);
  const places = new Map(steps.map((step, place) => [step, place]));
  const rows = curves.map((curve) => {
    const row: (number | null | undefined)[] = new Array<undefined>(steps.length).fill(undefined);
    curve.steps.forEach((step, place) => {
      row[places.get(step) as number] = curve.values[place] ?? null;
    });
    return row;
  });
  return [steps, ...rows];
}

/** The curves as comma-separated values, one row a step. */
export function toCsv(names: readonly string[], curves: readonly Curve[], axis: Axis = "step"): string {
  const [steps, ...rows] = alignCurves(curves);
  const lines = steps.map((step, place) => [step, ...rows.map((row) => row[place] ?? "")].join(","));
  return [[axis === "time" ? "seconds" : axis, ...names.map(quoted)].join(","), ...lines].join("\n") + "\n";
}

const quoted = (text: string): string => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
