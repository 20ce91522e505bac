import { screen, waitFor, within } from "@testing-library/react";

import { RunsRoute } from "@/components/runs/runs-route";
import type { RunDetail } from "@/lib/types";

import { FakeEventSource } from "./event-source";
import { address } from "./navigation";
import { open } from "./page";
import { aModel, aRun, aRunDetail } from "./samples";
import { answer } from "./server";

vi.mock("@/components/runs/line-chart", () => ({
  default: ({ title, lines }: { title: string; lines: { label: string; curve: { values: number[] } }[] }) => (
    <p>{`${title}: ${lines.map((line) => `${line.label} ${line.curve.values.join(" ")}`).join(", ")}`}</p>
  ),
}));

const progress = { done: 30, total: 100, unit: "steps", message: "training", eta_s: 75, details: {} };
const pretrain = (changes: Partial<RunDetail> = {}) =>
  aRunDetail({ stage: "pretrain", name: "Small town", config: { steps: 100 }, progress, ...changes });
const NO_METRICS = { names: [], series: {}, ghosts: {}, latest: {}, cursor: 0 };

function page(run: RunDetail, routes: Record<string, unknown> = {}, query = "") {
  return open(`/runs/?id=run-1${query}`, <RunsRoute />, {
    "GET /api/v1/runs": { runs: [run] },
    "GET /api/v1/runs/run-1": run,
    "GET /api/v1/runs/run-1/metrics": NO_METRICS,
    "GET /api/v1/runs/run-1/events": { events: [] },
    "GET /api/v1/runs/run-1/log": { text: "step 30 loss 2.1" },
    ...routes,
  });
}

describe("a run at work", () => {
  test("shows live figures, curves, samples and events as they come", async () => {
    page(pretrain());
    await screen.findByRole("heading", { level: 1, name: "Small town" });
    expect(screen.getByText("30")).toBeVisible();
    expect(screen.getByText(/1.min 15.s/)).toBeVisible();
    await waitFor(() => expect(FakeEventSource.alive.at(-1)?.topics).toContain("run:run-1"));
    const stream = FakeEventSource.last;
    const row = (id: number, step: number, value: number) => ({
      id,
      step,
      value,
      name: "train/loss",
      segment: 0,
    });
    stream.send("metrics", { run_id: "run-1", rows: [row(1, 1, 3.5), row(2, 2, 2.25)] });
    stream.send("metrics", { run_id: "another", rows: [row(9, 1, 99)] });
    expect(await screen.findByText("Loss: Train 3.5 2.25, Validation")).toBeVisible();
    expect(screen.getByText("2.250")).toBeVisible();
    const sample = { step: 20, prompt: "Mia", text: " ran home.", chat: false };
    stream.send("event", {
      run_id: "run-1",
      event: { id: 1, time: 1_700_000_000, type: "sample", data: sample },
    });
    const note = { id: 2, time: 1_700_000_000, type: "checkpoint", data: { step: 1200 } };
    stream.send("event", { run_id: "run-1", event: note });
    expect(await screen.findByText(/ran home/)).toBeVisible();
    expect(screen.getByText("Saved a checkpoint at step 1,200.")).toBeVisible();
  });

  test("is stopped by its button, which then waits", async () => {
    const { user, server } = page(pretrain(), {
      "POST /api/v1/runs/run-1/stop": () => {
        server.set("GET /api/v1/runs/run-1", pretrain({ state: "stopping" }));
        return aRun({ stage: "pretrain", name: "Small town", state: "stopping" });
      },
    });
    await user.click(await screen.findByRole("button", { name: "Stop" }));
    expect(await screen.findByRole("button", { name: "Stopping" })).toBeDisabled();
    expect(screen.queryByRole("button", { name: "Delete" })).toBeNull();
    expect(await screen.findByText("What was learned so far is saved first.")).toBeVisible();
  });

  test("its log and its configuration have addresses of their own", async () => {
    const { user } = page(pretrain(), {}, "&tab=log");
    expect(await screen.findByRole("region", { name: "Log" })).toHaveTextContent("step 30 loss 2.1");
    await user.click(screen.getByRole("radio", { name: "Configuration" }));
    expect(address()).toBe("/runs/?id=run-1&tab=config");
    expect(await screen.findByRole("region", { name: "Configuration" })).toHaveTextContent("steps: 100");
  });
});

test("tags are kept at once, notes when one says so", async () => {
  const changes: unknown[] = [];
  let run = aRun({ stage: "pretrain", tags: ["old"] });
  const { user } = page(pretrain({ tags: ["old"] }), {
    "PATCH /api/v1/runs/run-1": ({ body }: { body: object }) => {
      changes.push(body);
      run = { ...run, ...body };
      return run;
    },
  }, "&tab=notes"); // prettier-ignore
  await user.type(await screen.findByLabelText("Tags"), "wide, old{Enter}");
  expect(await screen.findAllByText("wide")).toHaveLength(2); // beside the title, and here
  await user.type(screen.getByLabelText("Notes"), "Good.");
  expect(screen.getByText("Not kept yet")).toBeVisible();
  await user.click(screen.getByRole("button", { name: "Keep notes" }));
  await waitFor(() => expect(screen.getByRole("button", { name: "Keep notes" })).toBeDisabled());
  await user.click(screen.getByRole("button", { name: "Take the tag old away" }));
  await waitFor(() =>
    expect(changes).toEqual([{ tags: ["old", "wide"] }, { notes: "Good." }, { tags: ["wide"] }]),
  );
});

describe("a run that ended early", () => {
  test("stopped: says that it can go on, and resumes", async () => {
    const run = pretrain({ state: "stopped", resumable: true });
    const { user, server } = page(run, {
      "POST /api/v1/runs/run-1/resume": () => {
        server.set("GET /api/v1/runs/run-1", pretrain({ attempt: 2 }));
        return aRun({ stage: "pretrain", name: "Small town", attempt: 2 });
      },
    });
    expect(await screen.findByText("The run was stopped")).toBeVisible();
    expect(screen.getByText("What it had learned was saved. Resume it to go on from there.")).toBeVisible();
    await user.click(screen.getByRole("button", { name: "Resume" }));
    expect(await screen.findByText("attempt 2")).toBeVisible();
    expect(screen.queryByText("The run was stopped")).toBeNull();
  });

  test("died: says so with what is known, as an alert", async () => {
    const error = {
      message: "The process of this run was killed at step 30.",
      hint: "Perhaps memory ran out; resume it, or use a smaller batch.",
      detail: "signal 9",
      field: null,
    };
    page(pretrain({ state: "died", resumable: true, error, heartbeat_at: 1_700_000_061 }));
    const alert = await screen.findByRole("alert");
    expect(alert).toHaveTextContent("The run ended without a word");
    expect(alert).toHaveTextContent(`${error.message} ${error.hint}`);
    expect(within(alert).getByText("Technical detail")).toBeVisible();
    expect(await screen.findByText("1 min")).toBeVisible(); // up to its last sign of life
    expect(screen.getByRole("button", { name: "Resume" })).toBeEnabled();
  });

  test("failed: gives the reason, and no way to resume where there is none", async () => {
    const error = { message: "heads (3) must divide width (64).", hint: null, detail: null, field: "heads" };
    page(pretrain({ state: "failed", error }));
    expect(await screen.findByRole("alert")).toHaveTextContent("heads (3) must divide width (64).");
    expect(screen.queryByRole("button", { name: "Resume" })).toBeNull();
    expect(screen.queryByText("Technical detail")).toBeNull();
  });

  test("is deleted with undo, and the list is shown", async () => {
    const run = pretrain({ state: "failed" });
    const { user, server } = page(run, {
      "DELETE /api/v1/runs/run-1": { id: "run-1" },
      "POST /api/v1/runs/run-1/restore": run,
    });
    window.history.replaceState(null, "", "/runs/?id=run-1");
    await user.click(await screen.findByRole("button", { name: "Delete" }));
    await waitFor(() => expect(address()).toBe("/runs/"));
    expect(await screen.findByText("The models that it made are kept.")).toBeVisible();
    await user.click(screen.getByRole("button", { name: "Undo" }));
    expect(await screen.findByText("Small town is back.")).toBeVisible();
    expect(server.sent("POST", "/api/v1/runs/run-1/restore")).toHaveLength(1);
  });

  test("one that is not here says so and leads back", async () => {
    page(pretrain(), { "GET /api/v1/runs/run-1": answer(404, { error: { message: "No run run-1." } }) });
    expect(await screen.findByRole("heading", { name: "This run is not here" })).toBeVisible();
    expect(screen.getByText("No run run-1.")).toBeVisible();
    expect(screen.getByRole("link", { name: "All runs" })).toHaveAttribute("href", "/runs/");
    expect(screen.queryByRole("button", { name: "Try again" })).toBeNull();
  });
});

describe("a finished recipe", () => {
  const share = (value: number, low: number, high: number) => ({
    value,
    low,
    high,
    correct: Math.round(300 * value),
    count: 300,
  });
  const summary = {
    exact_match: share(0.93, 0.9, 0.955),
    baseline_exact_match: share(0.14, 0.11, 0.19),
    chance: 0.21,
  };
  const step = (name: string, stage: string, changes = {}) =>
    aRun({ id: `${name}-run`, name, step: name, stage, parent: "run-1", state: "finished", ...changes });
  const recipe = aRunDetail({
    state: "finished",
    output: "model-1",
    summary,
    config: { name: "quickstart", steps: [{ stage: "data.prepare" }, { stage: "evaluate" }] },
    children: [
      step("data", "data.prepare", { summary: { documents: 20_000, seconds: 12, size_bytes: 5_000_000 } }),
      step("score", "evaluate", {
        output: "answers",
        summary: { ...summary, by_kind: { color: share(1, 0.9, 1), moved: share(0.5, 0.4, 0.6) } },
      }),
    ],
  });
  const examples = [
    { id: "1", kind: "moved", question: "Where is it?", expected: "bag", reply: "box", correct: false },
    { id: "2", kind: "color", question: "Which color?", expected: "red", reply: "red", correct: true },
  ];
  const routes = {
    "GET /api/v1/models": { models: [aModel()] },
    "GET /api/v1/artifacts/answers/results": { examples },
    "GET /api/v1/runs/data-run/events": { events: [] },
    "GET /api/v1/runs/score-run/events": { events: [] },
  };

  test("shows the score with its interval beside the base model and chance", async () => {
    page(recipe, routes);
    const bars = await screen.findAllByRole("img");
    expect(bars.map((bar) => bar.getAttribute("aria-label"))).toEqual([
      "Fine-tuned model: 93.0%, 95% interval 90.0% to 95.5%",
      "Base model: 14.0%, 95% interval 11.0% to 19.0%",
    ]);
    expect(screen.getByText("279 of 300 answered exactly right")).toBeVisible();
    expect(screen.getByText("chance 21%")).toBeInTheDocument();
    expect(screen.getByText("moved").closest("tr")).toHaveTextContent("150 of 30050%40% to 60%");
    const chat = await screen.findByRole("link", { name: "Chat with this model" });
    expect(chat).toHaveAttribute("href", "/chat/?model=model-1");
  });

  test("the answers behind the score can be read, wrong ones apart", async () => {
    const { user } = page(recipe, routes, "&step=score");
    const answers = within(await screen.findByRole("list", { name: "Answers" }));
    expect(await answers.findByText("(expected: bag)")).toBeVisible();
    await user.click(screen.getByRole("radio", { name: "Right 1" }));
    expect(answers.queryByText("Where is it?")).toBeNull();
    expect(answers.getByText("Which color?")).toBeVisible();
  });

  test("any step can be opened, by its address too", async () => {
    const { user } = page(recipe, routes, "&step=data");
    expect(await screen.findByText("What came of it")).toBeVisible();
    const facts = screen.getAllByRole("definition").map((fact) => fact.textContent);
    expect(facts).toEqual(["20,000", "12\u202fs", "5.0\u202fMB"]);
    await user.selectOptions(screen.getByLabelText("Step of the recipe"), "2. score");
    expect(address()).toBe("/runs/?id=run-1&step=score");
  });
});
