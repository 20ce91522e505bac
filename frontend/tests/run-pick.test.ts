import type { Curve } from "@/lib/metrics";
import { candidatesOf, type Click, meantBy, pickStep } from "@/lib/run-pick";

import { type Asked, serve } from "./server";

const click = (changes: Partial<Click>): Click => ({
  at: 0,
  value: 2,
  unitX: 8,
  unitY: 0.1,
  logY: false,
  ...changes,
});
/** Losses of 2 with one spike. */
const losses = (count: number, spike: number, height = 6) =>
  Array.from({ length: count }, (_, step) => ({ at: step, step, value: step === spike ? height : 2 }));

describe("a click on a chart", () => {
  test.each([
    ["at the spike's top", 6],
    ["halfway up", 4],
    ["at its foot", 2],
  ])("%s means the spike", (_, value) => {
    expect(meantBy(click({ at: 50, value }), losses(100, 51))?.step).toBe(51);
  });

  test("beside a spike means the point there", () => {
    expect(meantBy(click({ at: 20 }), losses(100, 51))?.step).not.toBe(51);
  });

  test("on logarithmic values goes by their logarithms", () => {
    const points = [
      { at: 0, step: 0, value: 1 },
      { at: 1, step: 1, value: 1000 },
      { at: 2, step: 2, value: 1 },
    ];
    expect(meantBy(click({ at: 1, value: 100, unitY: 0.2, logY: true }), points)?.step).toBe(1);
  });

  test("by keys means what stands out most", () => {
    const keys = click({ at: 99, value: 0, unitX: Infinity, unitY: Infinity });
    expect(meantBy(keys, losses(100, 7))?.step).toBe(7);
    expect(meantBy(keys, [])).toBeNull();
  });
});

test("a point that stands for several offers its smallest and greatest value, on any axis", () => {
  const curve: Curve = {
    steps: [10, 20],
    values: [2, 3],
    low: [2, 1],
    high: [2, 9],
    flops: [1e9, 2e9],
    times: [5, null],
  };
  expect(candidatesOf(curve, "step", null).map(({ step, value }) => [step, value])).toEqual([
    [10, 2],
    [20, 9],
    [20, 1],
    [20, 3],
  ]);
  expect(candidatesOf(curve, "flops", null)[0]).toEqual({ at: 1e9, step: 10, value: 2 });
  expect(candidatesOf(curve, "time", 3)).toEqual([{ at: 2, step: 10, value: 2 }]);
});

test("the stretch is read anew, finer each time, until a point is a step", async () => {
  const all = losses(100_000, 31_417);
  serve({
    "GET /api/v1/runs/run-1/metrics": ({ query }: Asked) => {
      const [start, end] = ["start", "end"].map((name) => Number(query.get(name))) as [number, number];
      const inside = all.slice(start, end + 1);
      const size = Math.ceil(inside.length / 10); // a program that draws no more than ten points
      const parts = Array.from({ length: Math.ceil(inside.length / size) }, (_, place) =>
        inside.slice(place * size, (place + 1) * size),
      );
      const values = parts.map((part) => part.map(({ value }) => value));
      const step = parts.map((part) => part.at(-1)?.step);
      const none = parts.map(() => null);
      const series = {
        step,
        value: values.map((part) => part.at(-1)),
        min: values.map((part) => Math.min(...part)),
        max: values.map((part) => Math.max(...part)),
        segment: parts.map(() => 1),
        tokens: none,
        flops: none,
        time: parts.map(() => 0),
        points: inside.length,
      };
      return { names: ["train/loss"], series: { "train/loss": series }, ghosts: {}, latest: {}, cursor: 0 };
    },
  });
  const drawn: Curve = {
    steps: Array.from({ length: 100 }, (_, place) => 1000 * (place + 1) - 1),
    values: Array.from({ length: 100 }, () => 2),
  };
  const at = { at: 31_400, value: 5, unitX: 900, unitY: 0.1, logY: false };
  expect(await pickStep("run-1", "train/loss", drawn, "step", null, at)).toBe(31_417);
  const keys = { at: 31_999, value: 0, unitX: Infinity, unitY: Infinity, logY: false };
  expect(await pickStep("run-1", "train/loss", drawn, "step", null, keys)).toBe(31_417);
});
