import { screen } from "@testing-library/react";

import { Histograms } from "@/components/runs/histograms";
import { Layers } from "@/components/runs/layers";
import { SystemPanel } from "@/components/runs/system-panel";

import { open } from "./page";
import { aRun } from "./samples";

vi.mock("@/components/runs/line-chart", () => ({
  default: ({ title, lines }: { title: string; lines: { label: string; curve: { values: number[] } }[] }) => (
    <p>{`${title}: ${lines.map((line) => `${line.label} ${line.curve.values.join(" ")}`).join(", ")}`}</p>
  ),
}));

const run = aRun({ stage: "pretrain", state: "finished" });
const series = (...value: number[]) => ({
  step: value.map((_, place) => place + 1),
  value,
  min: value,
  max: value,
  segment: value.map(() => 1),
  tokens: value.map(() => null),
  flops: value.map(() => null),
  time: value.map(() => 0),
  points: value.length,
});
const chart = { axis: "step" as const, logX: false, zoom: null, onZoom: () => {}, origin: null };
const metrics = (found: Record<string, unknown>) => ({
  "GET /api/v1/runs/run-1/metrics": {
    names: Object.keys(found),
    series: found,
    ghosts: {},
    latest: {},
    cursor: 1,
  },
});
const unfold = (name: RegExp) => screen.getByRole("button", { name });

beforeEach(() => localStorage.clear());

test("layers are read when they are unfolded, one measurement at a time", async () => {
  const found = {
    "grad_norm/blocks.1": series(0.2),
    "grad_norm/embedding": series(0.5),
    "dead_units/blocks.1": series(0),
  };
  const page = <Layers run={run} names={Object.keys(found)} chart={chart} />;
  const { user, server } = open("/", page, metrics(found));
  expect(server.asked).toHaveLength(0);
  await user.click(unfold(/^Layers/));
  expect(await screen.findByText("Gradient norm by layer: embedding 0.5, block 2 0.2")).toBeVisible();
  expect(server.asked.at(-1)?.query.get("names")).toBe("grad_norm/embedding,grad_norm/blocks.1");
  await user.selectOptions(screen.getByLabelText("What to show of each layer"), "Dead units");
  expect(await screen.findByText("Dead units by layer: block 2 0")).toBeVisible();
});

test("without instruments it is told how to have them, and the choice to unfold stays", async () => {
  const page = <Layers run={run} names={["train/loss"]} chart={chart} />;
  const { user, unmount } = open("/", page);
  await user.click(unfold(/^Layers not measured/));
  expect(screen.getByText(/This run has no figures by layer/)).toHaveTextContent(
    "--training.instruments-every 50",
  );
  unmount();
  open("/", page);
  expect(unfold(/^Layers/)).toHaveAttribute("aria-expanded", "true");
});

test("histograms tell the same where there are none", async () => {
  const { user } = open("/", <Histograms run={run} measured={false} />, {
    "GET /api/v1/runs/run-1/histograms": { names: [], edges: [], histograms: {} },
  });
  await user.click(unfold(/^Histograms/));
  expect(await screen.findByText(/This run has no histograms/)).toBeVisible();
});

test("only what the machine told is drawn: no graphics card, no chart of one", async () => {
  const found = { "system/cpu_percent": series(50, 75), "perf/mfu": series(0.4) };
  const page = <SystemPanel run={run} names={Object.keys(found)} origin={0} />;
  const { user } = open("/", page, metrics(found));
  await user.click(unfold(/^System processor, share of peak rate/));
  expect(await screen.findByText("Processor: Machine 50 75")).toBeVisible();
  expect(screen.getByText("Share of peak rate: MFU 0.4")).toBeVisible();
  expect(screen.queryByText(/^Graphics/)).toBeNull();
});
