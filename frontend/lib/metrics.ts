import type { MetricRow, Metrics, Series } from "./types";

/** One curve: ascending steps and their values; `null` where a value was not finite. */
export interface Curve {
  steps: number[];
  values: (number | null)[];
}

interface Line {
  segment: number;
  curve: Curve;
}

const FLUSH_MS = 200;
const KEPT_ROWS = 2_000; // rows that may be newer than an answer that is on its way
const empty = (): Curve => ({ steps: [], values: [] });

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

  /** Takes the answer of the metrics endpoint in place of everything older; newer rows of the stream stay. */
  load(metrics: Metrics): void {
    this.lines.clear();
    this.ghostCurves.clear();
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
    for (const row of rows) this.addRow(row);
    this.recent = [...this.recent, ...rows].slice(-KEPT_ROWS);
    if (rows.length) this.schedule();
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
        const ghost = { steps: curve.steps.splice(cut), values: curve.values.splice(cut) };
        this.ghostCurves.set(row.name, [...(this.ghostCurves.get(row.name) ?? []), ghost]);
      }
    }
    const place = lowerBound(curve.steps, row.step);
    if (curve.steps[place] === row.step) {
      curve.values[place] = row.value;
      return;
    }
    curve.steps.splice(place, 0, row.step);
    curve.values.splice(place, 0, row.value);
  }

  names(): string[] {
    return [...this.lines.keys()].sort();
  }

  curve(name: string): Curve {
    return this.lines.get(name)?.curve ?? empty();
  }

  ghosts(name: string): readonly Curve[] {
    return this.ghostCurves.get(name) ?? [];
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

function curveOf(series: Series): Curve {
  return { steps: [...series.step], values: [...series.value] };
}

function splitSegments(series: Series): Curve[] {
  const parts = new Map<number, Curve>();
  series.step.forEach((step, place) => {
    const segment = series.segment[place] ?? 0;
    const curve = parts.get(segment) ?? empty();
    parts.set(segment, curve);
    curve.steps.push(step);
    curve.values.push(series.value[place] ?? null);
  });
  return [...parts.values()];
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
export function toCsv(names: readonly string[], curves: readonly Curve[]): string {
  const [steps, ...rows] = alignCurves(curves);
  const lines = steps.map((step, place) => [step, ...rows.map((row) => row[place] ?? "")].join(","));
  return [["step", ...names].join(","), ...lines].join("\n") + "\n";
}
