import {
  alignCurves,
  lowerBound,
  MetricStore,
  onAxis,
  placeOfStep,
  smooth,
  stepsBehind,
  stepsBetween,
  toCsv,
} from "@/lib/metrics";
import type { MetricRow, Metrics, Series } from "@/lib/types";

const series = (step: number[], value: (number | null)[], segment = step.map(() => 0)): Series => ({
  step,
  value,
  min: value,
  max: value,
  segment,
  tokens: step.map((at) => 10 * at),
  flops: step.map(() => null),
  time: step.map((at) => 1_700_000_000 + at),
  points: step.length,
});
const loaded = (
  curves: Record<string, Series>,
  cursor: number,
  ghosts: Record<string, Series> = {},
): Metrics => ({ names: Object.keys(curves), series: curves, ghosts, latest: {}, cursor });
const row = (
  id: number,
  step: number,
  value: number | null,
  segment = 0,
  name = "train/loss",
): MetricRow => ({
  id,
  step,
  name,
  value,
  segment,
});

describe("MetricStore", () => {
  test("a row that came before the answer it belongs to is kept once", () => {
    const store = new MetricStore();
    store.add([row(1, 1, 3), row(2, 2, 2.5), row(3, 3, 2)]);
    store.load(loaded({ "train/loss": series([1, 2], [3, 2.5]) }, 2));
    store.add([row(3, 3, 2)]);
    expect(store.curve("train/loss")).toMatchObject({ steps: [1, 2, 3], values: [3, 2.5, 2] });
  });

  test("rows out of order find their place", () => {
    const store = new MetricStore();
    store.add([row(1, 1, 3), row(3, 5, 1), row(2, 3, 2)]);
    expect(store.curve("train/loss").steps).toEqual([1, 3, 5]);
  });

  test("a new attempt overwrites from its first step; the old end stays as a ghost", () => {
    const store = new MetricStore();
    store.load(loaded({ "train/loss": series([10, 20, 30, 40], [4, 3, 2, 1]) }, 4));
    store.add([row(5, 30, 2.2, 1), row(6, 40, 1.9, 1), row(7, 50, 9, 0)]);
    expect(store.curve("train/loss")).toMatchObject({ steps: [10, 20, 30, 40], values: [4, 3, 2.2, 1.9] });
    expect(store.ghosts("train/loss")).toMatchObject([{ steps: [30, 40], values: [2, 1] }]);
  });

  test("ghosts of the answer are one curve an attempt", () => {
    const store = new MetricStore();
    const ghosts = { "train/loss": series([10, 20, 15, 20], [3, 2, 2.6, 2.4], [0, 0, 1, 1]) };
    store.load(loaded({ "train/loss": series([5], [4], [2]) }, 9, ghosts));
    expect(store.ghosts("train/loss")).toMatchObject([
      { steps: [10, 20], values: [3, 2] },
      { steps: [15, 20], values: [2.6, 2.4] },
    ]);
  });

  test("the latest value is the newest finite one", () => {
    const store = new MetricStore();
    store.add([row(1, 1, 3), row(2, 2, null)]);
    expect(store.latest("train/loss")).toBe(3);
    expect(store.latest("val/loss")).toBeNull();
  });

  test("a burst of rows is told to the page once", () => {
    vi.useFakeTimers();
    const store = new MetricStore();
    const told = vi.fn();
    store.watch(told);
    for (let step = 0; step < 50; step += 1) store.add([row(step, step, 1)]);
    expect(told).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1_000);
    expect(told).toHaveBeenCalledOnce();
    expect(store.version()).toBe(1);
    vi.useRealTimers();
  });
});

describe("curves", () => {
  test("smoothing starts at the first value, keeps a constant and leaves gaps", () => {
    expect(smooth([2, null, 2, 2], 0.9).map((value) => value && +value.toFixed(9))).toEqual([2, null, 2, 2]);
    const [first, second] = smooth([4, 0], 0.5);
    expect(first).toBe(4);
    expect(second).toBeCloseTo(4 / 3); // (0.5 * 0.5 * 4) / (0.5 * 0.5 + 0.5)
    expect(smooth([1, 2], 0)).toEqual([1, 2]);
  });

  test("curves with different steps share one axis; a gap is not a missing point", () => {
    const curves = [
      { steps: [1, 3], values: [5, null] },
      { steps: [2, 3], values: [7, 8] },
    ];
    expect(alignCurves(curves)).toEqual([
      [1, 2, 3],
      [5, undefined, null],
      [undefined, 7, 8],
    ]);
    expect(toCsv(["train/loss", "val/loss"], curves)).toBe("step,train/loss,val/loss\n1,5,\n2,,7\n3,,8\n");
  });

  test("lowerBound agrees with a plain search", () => {
    const steps = [1, 4, 4, 9];
    for (let step = 0; step <= 10; step += 1) {
      const plain = steps.findIndex((item) => item >= step);
      expect(lowerBound(steps, step)).toBe(plain < 0 ? steps.length : plain);
    }
  });
});

describe("other axes", () => {
  const curve = {
    steps: [1, 2, 3],
    values: [4, 3, 2],
    low: [4, 1, 2],
    high: [4, 9, 2],
    tokens: [10, null, 30],
    times: [100, 105, 111],
  };

  test("tokens leave out what is not known, time counts from the start", () => {
    expect(onAxis(curve, "tokens")).toMatchObject({ steps: [10, 30], values: [4, 2], high: [4, 2] });
    expect(onAxis(curve, "time", 90)).toMatchObject({ steps: [10, 15, 21], values: [4, 3, 2] });
    expect(onAxis(curve, "step")).toBe(curve);
  });

  test("a stretch of an axis is turned back into steps", () => {
    expect(stepsBetween(curve, [2, 3], "step", null)).toEqual([2, 3]);
    expect(stepsBetween(curve, [14, 20], "time", 90)).toEqual([2, 2]);
    expect(stepsBetween(curve, [5, 30], "tokens", null)).toEqual([1, 3]);
    expect(stepsBetween(curve, [11, 20], "tokens", null)).toBeNull();
    expect(placeOfStep(curve, 3, "time", 90)).toBe(21);
    expect(placeOfStep(curve, 2, "tokens", null)).toBeNull();
  });

  test("rows of the stream carry what a curve knows, and ghosts keep it", () => {
    const store = new MetricStore();
    store.load(loaded({ "train/loss": { ...series([1, 2], [3, 2]), min: [3, 1], max: [3, 8] } }, 2));
    store.add([{ ...row(3, 3, 1.5), tokens: 30, time: 1_700_000_009 }]);
    expect(store.curve("train/loss")).toEqual({
      steps: [1, 2, 3],
      values: [3, 2, 1.5],
      low: [3, 1, 1.5],
      high: [3, 8, 1.5],
      tokens: [10, 20, 30],
      flops: [null, null, null],
      times: [1_700_000_001, 1_700_000_002, 1_700_000_009],
    });
    expect(store.origin()).toBe(1_700_000_001);
    store.add([row(4, 2, 1, 1)]);
    expect(store.ghosts("train/loss")[0]).toMatchObject({ steps: [2, 3], high: [8, 1.5], tokens: [20, 30] });
  });

  test("a name with a comma is quoted in the file", () => {
    expect(toCsv(['a, "b"'], [{ steps: [1], values: [2] }], "tokens")).toBe('tokens,"a, ""b"""\n1,2\n');
  });
});

describe("operations as an axis", () => {
  const curve = { steps: [10, 20, 30], values: [4, 3, 2], flops: [null, 2e9, 3e9] };

  test("points of which they are not known are left out", () => {
    expect(onAxis(curve, "flops")).toMatchObject({ steps: [2e9, 3e9], values: [3, 2] });
    expect(placeOfStep(curve, 15, "flops", null)).toBe(2e9);
    expect(stepsBetween(curve, [2.5e9, 4e9], "flops", null)).toEqual([30, 30]);
  });

  test("a point stands for the steps since the one before it", () => {
    expect(stepsBehind(curve, [15, 25], "step", null)).toEqual([11, 30]);
    expect(stepsBehind(curve, [12, 13], "step", null)).toEqual([11, 20]);
    expect(stepsBehind(curve, [99, 99], "step", null)).toEqual([21, 30]);
    expect(stepsBehind(curve, [2.1e9, 2.2e9], "flops", null)).toEqual([21, 30]);
    expect(stepsBehind({ steps: [], values: [] }, [0, 1], "step", null)).toBeNull();
  });

  test("come with the rows of the stream", () => {
    const store = new MetricStore();
    store.add([{ ...row(1, 5, 3), tokens: 50, flops: 1e12, time: 9 }]);
    expect(onAxis(store.curve("train/loss"), "flops").steps).toEqual([1e12]);
  });
});

test("a store that keeps some metrics still knows the names of all", () => {
  const store = new MetricStore(new Set(["train/loss"]));
  store.load({ ...loaded({ "train/loss": series([1], [3]) }, 1), names: ["train/loss", "perf/mfu"] });
  store.add([row(2, 2, 2), row(3, 2, 7, 0, "grad_norm/head")]);
  expect(store.names()).toEqual(["train/loss"]);
  expect(store.allNames()).toEqual(["grad_norm/head", "perf/mfu", "train/loss"]);
});
