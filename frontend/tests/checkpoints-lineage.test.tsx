import { act, screen, waitFor, within } from "@testing-library/react";

import { CheckpointsCard } from "@/components/runs/checkpoints-card";
import { LineageCard } from "@/components/runs/lineage-card";
import { RunsRoute } from "@/components/runs/runs-route";
import type { Checkpoint } from "@/lib/checkpoint-queries";
import { firstChanges, forkRequest, trainingProblems } from "@/lib/fork-draft";
import { MetricStore } from "@/lib/metrics";
import type { Run } from "@/lib/types";

import { aLineage, aNode } from "./lineage-samples";
import { address } from "./navigation";
import { open } from "./page";
import { aRun, aRunDetail } from "./samples";
import { answer } from "./server";

vi.mock("@/components/runs/line-chart", () => ({
  default: ({ lines }: { lines: { curve: { steps: number[] }; ghosts: { steps: number[] }[] }[] }) => (
    <p>{`rates from ${lines[0]?.curve.steps[0]}, source from ${lines[0]?.ghosts[0]?.steps[0]}`}</p>
  ),
}));

const row = (step: number, changes: Partial<Checkpoint> = {}): Checkpoint => ({
  step,
  size_bytes: 2_000_000,
  created_at: 1_700_000_000,
  train_loss: 2.5,
  val_loss: 2,
  newest: false,
  best: false,
  pinned: false,
  damaged: null,
  ...changes,
});
const ROWS = [row(400, { best: true, val_loss: 1.5 }), row(1000, { newest: true })];
const RUN: Partial<Run> = {
  stage: "pretrain",
  name: "Small town",
  state: "finished",
  config: { tokens: "t", training: { steps: 1000, learning_rate: 0.002, checkpoint_every: 400 } },
};
const number = (title: string, group: string, more: object) => ({ title, type: "number", group, ...more });
const STAGE = {
  name: "pretrain",
  title: "Pre-training",
  description: "",
  config_schema: {
    properties: { tokens: { type: "string" }, training: { $ref: "#/$defs/T" } },
    $defs: {
      T: {
        type: "object",
        properties: {
          steps: number("Steps", "Length and batch", { type: "integer", default: 1000 }),
          learning_rate: number("Learning rate", "Learning rate", { default: 0.001 }),
          keep_best: { type: "boolean", default: true, group: "Validation and checkpoints" },
        },
      },
    },
  },
};
const PREVIEW = {
  problems: [],
  schedule: [0, 400, 800].map((step) => ({ step, rate: 0.002 })),
  yaml: "",
  command: "",
  model: null,
  tokens: null,
  epochs: null,
};

function page(run: Partial<Run> = {}, routes: Record<string, unknown> = {}, query = "") {
  const shown = aRun({ ...RUN, ...run });
  return open(`/runs/?id=run-1${query}`, <CheckpointsCard run={shown} />, {
    "GET /api/v1/runs/run-1/events": { events: [] },
    "GET /api/v1/runs/run-1/checkpoints": { checkpoints: ROWS },
    "GET /api/v1/stages/pretrain": STAGE,
    "POST /api/v1/runs/preview": PREVIEW,
    ...routes,
  });
}

describe("the checkpoints of a run", () => {
  test("stand in a table, the newest first, with what each is", async () => {
    page();
    const rows = await screen.findAllByRole("row");
    expect(rows.slice(1).map((item) => item.textContent)).toEqual([
      expect.stringMatching(/^1,000newest2\.0002\.5002\.0.MB.*Fork from here$/),
      expect.stringMatching(/^400best1\.5002\.5002\.0.MB.*Fork from here$/),
    ]);
    expect(screen.getByText(/^4\.0.MB in all$/)).toBeVisible();
  });

  test("are pinned at once, and a refusal takes that back", async () => {
    const { user, server } = page({}, {
      "PUT /api/v1/runs/run-1/checkpoints/400/pin": {
        checkpoints: [{ ...ROWS[0], pinned: true }, ROWS[1]],
      },
      "PUT /api/v1/runs/run-1/checkpoints/1000/pin": answer(404, {
        error: { message: "The checkpoint of step 1000 is no longer there." },
      }),
    }); // prettier-ignore
    await user.click(await screen.findByRole("button", { name: "Pin step 400" }));
    expect(screen.getByRole("button", { name: "Pin step 400", pressed: true })).toBeVisible();
    await waitFor(() => expect(server.sent("PUT", "/api/v1/runs/run-1/checkpoints/400/pin")).toHaveLength(1));
    await user.click(screen.getByRole("button", { name: "Pin step 1,000" }));
    expect(await screen.findByText("The checkpoint of step 1000 is no longer there.")).toBeVisible();
    expect(await screen.findByRole("button", { name: "Pin step 1,000", pressed: false })).toBeVisible();
  });

  test("where there are none yet, it says when the first comes", async () => {
    page({ state: "running" }, { "GET /api/v1/runs/run-1/checkpoints": { checkpoints: [] } });
    expect(await screen.findByText(/^The first is written at step 400\./)).toBeVisible();
  });
});

describe("a fork", () => {
  test("shows what is changed beside what it was, and starts with only that", async () => {
    const fork = aRun({ ...RUN, id: "fork-1", name: "Small town, from step 400" });
    const { user, server } = page({}, { "POST /api/v1/runs/run-1/fork": answer(201, fork) });
    await user.click(await screen.findByRole("button", { name: "Fork from here, step 400" }));
    expect(address()).toBe("/runs/?id=run-1&fork=400");
    const sheet = within(await screen.findByRole("dialog", { name: "Fork from step 400" }));
    expect(await sheet.findByText("rates from 400, source from 0")).toBeVisible();
    expect(sheet.getByText(/^Nothing is changed yet/)).toBeVisible();
    const rate = sheet.getByRole("textbox", { name: "Learning rate" });
    await user.clear(rate);
    await user.type(rate, "0.0001");
    const changes = within(sheet.getByRole("list", { name: "What is changed" }));
    expect(changes.getByRole("listitem")).toHaveTextContent("Learning rate0.002→0.0001");
    await waitFor(() => expect(sheet.getByRole("button", { name: "Start the fork" })).toBeEnabled());
    await user.click(sheet.getByRole("button", { name: "Start the fork" }));
    await waitFor(() => expect(address()).toBe("/runs/?id=fork-1"));
    expect(server.sent("POST", "/api/v1/runs/run-1/fork")[0]?.body).toEqual({
      step: 400,
      changes: { "training.learning_rate": 0.0001 },
    });
  });

  test("of the end has as many steps again, and says what is refused", async () => {
    const problems = [{ field: "training.steps", message: "is too odd" }];
    const { user } = page({}, {
      "POST /api/v1/runs/run-1/fork": answer(422, { error: { message: "Wrong.", problems } }),
    }, "&fork=1000"); // prettier-ignore
    const sheet = within(await screen.findByRole("dialog", { name: "Fork from step 1,000" }));
    expect(await sheet.findByLabelText("Steps")).toHaveValue("2000");
    await waitFor(() => expect(sheet.getByRole("button", { name: "Start the fork" })).toBeEnabled());
    await user.click(sheet.getByRole("button", { name: "Start the fork" }));
    expect(await sheet.findByText("is too odd")).toBeVisible();
    await user.click(sheet.getByRole("button", { name: "Close" }));
    expect(address()).toBe("/runs/?id=run-1");
  });

  test("is asked for by its differences alone", () => {
    const run = aRun({ seed: 3 });
    expect(forkRequest(run, 7, { changes: {}, name: " ", seed: 3 })).toEqual({ step: 7, changes: {} });
    expect(forkRequest(run, 7, { changes: { steps: 9 }, name: " B ", seed: 4 })).toEqual({
      step: 7,
      changes: { "training.steps": 9 },
      name: "B",
      seed: 4,
    });
    expect(firstChanges({ steps: 8 }, 7)).toEqual({});
    expect(trainingProblems([{ field: "tokens", message: "x" }], { steps: 7 }, 7)).toEqual({
      steps: "must be above 7, where the fork begins",
    });
    expect(trainingProblems([{ field: "training", message: "odd" }], { steps: 8 }, 7)).toEqual({ "": "odd" });
  });
});

describe("the lineage of a run", () => {
  const lineage = (graph = aLineage()) =>
    open("/runs/?id=run-1", <LineageCard run={aRun(RUN)} />, { "GET /api/v1/runs/run-1/lineage": graph });

  test("is a picture whose things can be reached, told and opened", async () => {
    const { user } = lineage();
    const model = await screen.findByRole("link", { name: /^Model: Small base/ });
    expect(model).toHaveAttribute("href", "/models/?id=base");
    expect(screen.getByRole("status")).toHaveTextContent("Pre-training: Forkrunning, attempt 2");
    expect(screen.getByRole("img", { name: /this run$/ })).toBeInTheDocument(); // it leads nowhere else
    act(() => model.focus());
    expect(screen.getByRole("status")).toHaveTextContent(
      /Model: Small base1\.2M parameters1\.500 validation/,
    );
    await user.click(screen.getByRole("button", { name: "Lineage as a list" }));
    const items = screen.getAllByRole("listitem").map((item) => item.textContent);
    expect(items[7]).toBe("Run, Pre-training: Fork, running, attempt 2, this run from checkpoint step 400");
    expect(screen.getByRole("button", { name: "Save the lineage as a picture" })).toBeDisabled();
  });

  test("is not there for a run that stands alone", async () => {
    const { server } = lineage({ nodes: [aNode({ kind: "run", marked: true })], edges: [] });
    await waitFor(() => expect(server.sent("GET", "/api/v1/runs/run-1/lineage")).toHaveLength(1));
    await waitFor(() => expect(screen.queryByText("Lineage")).toBeNull());
  });
});

test("the page of a fork leads to its source, and its curves to the source's faded ones", async () => {
  const run = aRunDetail({ ...RUN, forked_from: { run: "old", step: 1200, name: "Town" } });
  open("/runs/?id=run-1", <RunsRoute />, { "GET /api/v1/runs/run-1": run });
  const origin = await screen.findByRole("link", { name: "forked from Town at step 1,200" });
  expect(origin).toHaveAttribute("href", "/runs/?id=old");
  const line = (segment: number, step: number) => ({
    step: [step], value: [2], min: [2], max: [2], segment: [segment], tokens: [9], flops: [null], time: [7], points: 1,
  }); // prettier-ignore
  const store = new MetricStore();
  store.load({ names: ["a"], series: { a: line(1, 5) }, ghosts: { a: line(-1, 4) }, latest: {}, cursor: 1 });
  expect(store.ghosts("a")).toMatchObject([{ steps: [4], values: [2], tokens: [9], times: [null] }]);
  expect(store.curve("a")).toMatchObject({ steps: [5], times: [7] });
});
