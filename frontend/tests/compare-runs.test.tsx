import { screen, within } from "@testing-library/react";

import { CompareRuns } from "@/components/runs/compare/compare-runs";
import { alertsOf, marksOf } from "@/lib/run-marks";
import type { RunEvent } from "@/lib/types";

import { open } from "./page";
import { aRun } from "./samples";
import { answer } from "./server";

vi.mock("@/components/runs/line-chart", () => ({
  default: ({ title, lines }: { title: string; lines: { label: string; curve: { values: number[] } }[] }) => (
    <p>{`${title}: ${lines.map((line) => `${line.label} ${line.curve.values.join(" ")}`).join(", ")}`}</p>
  ),
}));

const series = (values: number[]) => ({
  step: values.map((_, place) => place),
  value: values,
  min: values,
  max: values,
  segment: values.map(() => 1),
  tokens: values.map(() => null),
  flops: values.map(() => null),
  time: values.map((_, place) => place),
  points: values.length,
});
const metrics = (found: Record<string, number[]>) => ({
  names: Object.keys(found),
  series: Object.fromEntries(Object.entries(found).map(([name, values]) => [name, series(values)])),
  ghosts: {},
  latest: {},
  cursor: 1,
});
const RUNS = [
  aRun({ id: "a", name: "Slow", stage: "pretrain", state: "finished" }),
  aRun({ id: "b", name: "Fast", stage: "pretrain", state: "finished" }),
];
const page = (routes: Record<string, unknown> = {}) =>
  open("/runs/compare/?ids=a,b", <CompareRuns />, {
    "GET /api/v1/runs/compare": {
      runs: RUNS,
      differences: [{ field: "training.learning_rate", values: [0.001, null] }],
      figures: [
        { name: "val/loss", values: [2.5, 1.25] },
        { name: "peak_memory_bytes", values: [5e8, null] },
      ],
    },
    "GET /api/v1/runs/a/metrics": metrics({ "train/loss": [3, 2.5], "perf/mfu": [0.1] }),
    "GET /api/v1/runs/b/metrics": metrics({ "train/loss": [3, 1.5] }),
    ...routes,
  });

test("two runs lie over each other, beside what differs and what came of them", async () => {
  const { user, server } = page();
  expect(await screen.findByText("train/loss: Slow 3 2.5, Fast 3 1.5")).toBeVisible();
  const settings = within(screen.getByRole("region", { name: "Settings that differ" }));
  expect(settings.getByText("training.learning_rate").closest("tr")).toHaveTextContent(
    "training.learning_rate0.001–",
  );
  const figures = within(screen.getByRole("region", { name: "What came of each" }));
  expect(figures.getByText("val/loss").closest("tr")).toHaveTextContent("val/loss2.5001.250");
  expect(figures.getByText("peak_memory_bytes").closest("tr")).toHaveTextContent(/500\sMB–/);
  await user.selectOptions(screen.getByLabelText("Metric"), "perf/mfu");
  expect(await screen.findByText("perf/mfu: Slow 0.1")).toBeVisible();
  // One curve at a time is read, however many a run has.
  const read = server.sent("GET", "/api/v1/runs/a/metrics").map(({ query }) => query.get("names"));
  expect(read).toEqual(["train/loss", "perf/mfu"]);
});

test("one run alone is not compared, and a run that is gone is told", async () => {
  const { unmount } = open("/runs/compare/?ids=a", <CompareRuns />);
  expect(await screen.findByText("Choose two or more runs in the list, then Compare.")).toBeVisible();
  unmount();
  page({ "GET /api/v1/runs/compare": answer(404, { error: { message: "There is no run 'b'." } }) });
  expect(await screen.findByText("There is no run 'b'.")).toBeVisible();
});

test("alerts and checkpoints of a run become marks, each once", () => {
  const event = (id: number, type: string, data: Record<string, unknown>): RunEvent => ({
    id,
    type,
    data,
    time: 0,
  });
  const events = [
    event(1, "checkpoint", { step: 50 }),
    event(2, "alert", { step: 20, severity: "critical", message: "It rose.", hint: "Halve the rate." }),
    event(3, "checkpoint", { step: 50 }),
    event(4, "log", { message: "x" }),
    event(5, "alert", { message: "The disk is nearly full.", severity: "odd" }),
  ];
  expect(marksOf(events)).toEqual([
    { step: 20, kind: "alert", label: "It rose." },
    { step: 50, kind: "checkpoint", label: "checkpoint 50" },
  ]);
  expect(alertsOf(events)).toMatchObject([
    { id: 5, step: null, severity: "warning", hint: "" },
    { id: 2, step: 20, severity: "critical", hint: "Halve the rate." },
  ]);
});
