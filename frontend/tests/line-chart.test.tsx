import { act, screen, within } from "@testing-library/react";
import type uPlot from "uplot";

import { type ChartLine, drawnOf, type Mark, placedMarks, PLAIN } from "@/components/runs/chart-lines";
import { tickTexts } from "@/components/runs/chart-options";
import LineChart from "@/components/runs/line-chart";
import { save } from "@/lib/download";

import { open } from "./page";

const charts = vi.hoisted(
  () =>
    [] as {
      options: uPlot.Options;
      data: unknown;
      alive: boolean;
      setCursor: (place: number | null) => void;
    }[],
);
vi.mock("uplot", () => ({
  default: class {
    cursor: { idx: number | null } = { idx: null };
    alive = true;
    constructor(
      readonly options: uPlot.Options,
      public data: unknown[],
    ) {
      charts.push(this as never);
    }
    setData(data: unknown[]) {
      this.data = data;
    }
    setSize() {}
    destroy() {
      this.alive = false;
    }
    setCursor(place: number | null) {
      this.cursor.idx = place;
      for (const hook of this.options.hooks?.setCursor ?? []) hook?.(this as never);
    }
  },
}));
vi.mock("@/lib/download", () => ({ save: vi.fn() }));

const line = (changes: Partial<ChartLine> = {}): ChartLine => ({
  name: "train/loss",
  label: "Train",
  colour: "--chart-1",
  curve: { steps: [0, 10, 20], values: [4, 3, 2] },
  ghosts: [],
  ...changes,
});
const validation = line({
  name: "val/loss",
  label: "Validation",
  curve: { steps: [10], values: [3.5] },
  points: true,
});
const chart = (lines: ChartLine[], more: object = {}) =>
  open("/", <LineChart title="Loss" file="run-loss" lines={lines} version={1} height={200} {...more} />);

const LOG_X = { ...PLAIN, logX: true };

beforeEach(() => void charts.splice(0));

describe("what is drawn", () => {
  test("ghosts lie under raw lines, those under the lines that count", () => {
    const ghost = { steps: [20, 30], values: [2, 1] };
    const drawn = drawnOf([line({ smoothing: 0.5, ghosts: [ghost] }), validation], PLAIN);
    expect(drawn.map((item) => `${item.kind} ${item.label}`)).toEqual([
      "ghost Train",
      "raw Train",
      "line Train",
      "line Validation",
    ]);
    expect(drawn[1]?.curve.values).toEqual([4, 3, 2]);
    expect(drawn[2]?.curve.values[0]).toBe(4);
    expect(drawn[2]?.curve.values[2]).toBeGreaterThan(2);
  });

  test("a logarithmic axis begins after step zero", () => {
    expect(drawnOf([line()], LOG_X)[0]?.curve).toEqual({ steps: [10, 20], values: [3, 2] });
    expect(drawnOf([line({ curve: { steps: [0], values: [1] } })], LOG_X)[0]?.curve.steps).toEqual([]);
  });

  test("lines with different steps reach the chart on one axis", () => {
    chart([line(), validation]);
    expect(charts.at(-1)?.data).toEqual([
      [0, 10, 20],
      [4, 3, 2],
      [undefined, 3.5, undefined],
    ]);
  });

  test.each([
    [
      [0, 5000, 10_000],
      ["0", "5k", "10k"],
    ],
    [
      [1000, 2500],
      ["1,000", "2,500"],
    ],
    [
      [0, 0.0005, 0.001],
      ["0", "5e-4", "0.001"],
    ],
    [
      [1.5, 2],
      ["1.5", "2"],
    ],
  ])("the ticks %j read %j", (ticks, texts) => expect(tickTexts(ticks)).toEqual(texts));
});

describe("a curve whose points stand for several values", () => {
  const spiky = line({ curve: { steps: [10, 20], values: [3, 2], low: [3, 1], high: [3, 50] } });

  test("has a band from the smallest to the greatest, so that a spike stays visible", () => {
    expect(drawnOf([spiky], PLAIN).map(({ kind, curve }) => [kind, curve.values])).toEqual([
      ["high", [3, 50]],
      ["low", [3, 1]],
      ["line", [3, 2]],
    ]);
    expect(drawnOf([line()], PLAIN).map(({ kind }) => kind)).toEqual(["line"]);
    chart([spiky]);
    expect(charts.at(-1)?.options.bands).toMatchObject([{ series: [1, 2] }]);
  });

  test("logarithmic values leave out what is not above zero", () => {
    const below = line({ curve: { steps: [1, 2], values: [0, 2] } });
    expect(drawnOf([below], { ...PLAIN, logY: true })[0]?.curve.values).toEqual([null, 2]);
  });
});

test("marks lie where their step is, on any axis", () => {
  const marks: Mark[] = [{ step: 20, kind: "checkpoint", label: "checkpoint 20" }];
  const timed = line({ curve: { ...line().curve, times: [100, 110, 130] }, origin: 90 });
  expect(placedMarks(marks, [timed], PLAIN)[0]?.at).toBe(20);
  expect(placedMarks(marks, [timed], { ...PLAIN, axis: "time" })[0]?.at).toBe(40);
  expect(placedMarks(marks, [line({ curve: { steps: [], values: [] } })], PLAIN)).toEqual([]);
});

test("what is dragged over is shown alone, and all of it again by a button", async () => {
  const { user } = chart([line()]);
  screen.getByRole("img");
  const made = charts.at(-1) as unknown as { options: uPlot.Options };
  const range = () =>
    (made.options.scales?.["x"]?.range as unknown as (c: null, a: number, b: number) => unknown)(null, 0, 20);
  expect(range()).toEqual([0, 20]);
  const select = { left: 10, width: 5, top: 0, height: 0 };
  const plot = { select, posToVal: (at: number) => at, setSelect: () => {} };
  act(() => made.options.hooks?.setSelect?.forEach((hook) => hook?.(plot as never)));
  expect(range()).toEqual([10, 15]);
  await user.click(screen.getByRole("button", { name: "Show all of it again" }));
  expect(range()).toEqual([0, 20]);
});

test("the picture says its newest values in words", () => {
  chart([line(), validation]);
  expect(screen.getByRole("img")).toHaveAccessibleName(/^Loss: Train 2.000, Validation 3.500 at step 20\./);
});

test("the legend follows the cursor, with the newest value where a line has none there", () => {
  chart([line(), validation]);
  const legend = () => screen.getByText("Train").parentElement?.parentElement;
  expect(legend()).toHaveTextContent(/^TrainValidation$/);
  screen.getByRole("img");
  charts.at(-1)?.setCursor(2);
  return vi.waitFor(() => expect(legend()).toHaveTextContent("Train2.000Validation3.500step 20"));
});

test("the table has the same numbers, a dash where there is none", async () => {
  const { user } = chart([line(), validation]);
  await user.click(screen.getByRole("button", { name: "Loss as a table" }));
  const rows = within(screen.getByRole("region", { name: "Loss, table" })).getAllByRole("row");
  expect(rows.map((row) => row.textContent)).toEqual([
    "StepTrainValidation",
    "04.000–",
    "103.0003.500",
    "202.000–",
  ]);
  expect(charts.every((item) => !item.alive)).toBe(true);
});

test("a long curve's table is thinned, yet keeps the last step and every validation", async () => {
  const steps = Array.from({ length: 1000 }, (_, step) => step);
  const long = line({ curve: { steps, values: steps } });
  const rare = { ...validation, curve: { steps: [501], values: [3.5] } };
  const { user } = chart([long, rare]);
  await user.click(screen.getByRole("button", { name: "Loss as a table" }));
  const first = screen.getAllByRole("row").map((row) => row.querySelector("td")?.textContent);
  expect(first.length).toBeLessThan(70);
  expect(first).toContain("501");
  expect(first.at(-1)).toBe("999");
});

test("the numbers are saved as they are, not smoothed", async () => {
  const { user } = chart([line({ smoothing: 0.9 }), validation]);
  await user.click(screen.getByRole("button", { name: "Save Loss" }));
  await user.click(await screen.findByRole("menuitem", { name: "Numbers (CSV)" }));
  const [blob, name] = vi.mocked(save).mock.calls[0] ?? [];
  expect(name).toBe("run-loss.csv");
  expect(await blob?.text()).toBe("step,train/loss,val/loss\n0,4,\n10,3,3.5\n20,2,\n");
});

test("smoothing goes round its weights, and log steps are toggled", async () => {
  const [onSmoothing, onLogX] = [vi.fn(), vi.fn()];
  const { user } = chart([line()], { onSmoothing, onLogX, smoothing: 0.9 });
  await user.click(screen.getByRole("button", { name: "Smooth 0.9" }));
  expect(onSmoothing).toHaveBeenCalledExactlyOnceWith(0.97);
  await user.click(screen.getByRole("button", { name: "Log steps" }));
  expect(onLogX).toHaveBeenCalledExactlyOnceWith(true);
});

test("what it is drawn over is chosen from a menu", async () => {
  const onAxis = vi.fn();
  const flops = line({ curve: { ...line().curve, flops: [0, 2e12, 4e12] } });
  const { user } = chart([flops], { onAxis, axis: "flops" });
  expect(screen.getByRole("img")).toHaveAccessibleName(/ at 4.TFLOP\. The table/);
  await user.click(screen.getByRole("button", { name: "By FLOPs" }));
  await user.click(await screen.findByRole("menuitem", { name: "Tokens" }));
  expect(onAxis).toHaveBeenCalledExactlyOnceWith("tokens");
});

test("a click tells its place, the end of a drag does not", () => {
  const onPick = vi.fn();
  chart([line()], { onPick });
  const over = document.createElement("div");
  const plot = { over, cursor: { left: 40, top: 30 }, posToVal: (at: number) => at / 4 };
  const { options } = charts.at(-1) as unknown as { options: uPlot.Options };
  options.hooks?.ready?.forEach((hook) => hook?.(plot as never));
  const press = (down: number, up: number) => {
    over.dispatchEvent(new MouseEvent("mousedown", { clientX: down }));
    over.dispatchEvent(new MouseEvent("click", { clientX: up }));
  };
  press(10, 90);
  expect(onPick).not.toHaveBeenCalled();
  press(40, 41);
  expect(onPick).toHaveBeenCalledExactlyOnceWith({ at: 10, value: 7.5, unitX: 2, unitY: 2, logY: false });
});

test("without values it says why, and nothing can be saved", () => {
  chart([line({ curve: { steps: [], values: [] } })], { empty: "The first values come after a few steps." });
  expect(screen.getByText("The first values come after a few steps.")).toBeVisible();
  expect(screen.getByRole("button", { name: "Save Loss" })).toBeDisabled();
  expect(charts).toHaveLength(0);
});
