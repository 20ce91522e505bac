import { screen, waitFor, within } from "@testing-library/react";

import { Alerts } from "@/components/runs/alerts";
import { BatchSheet } from "@/components/runs/batch-sheet";
import { save } from "@/lib/download";
import type { StepBatch } from "@/lib/run-batch";
import { alertsOf } from "@/lib/run-marks";
import type { Run } from "@/lib/types";
import { useOpenStep } from "@/lib/use-open-step";

import { address } from "./navigation";
import { open } from "./page";
import { aRun } from "./samples";
import { answer, type Asked } from "./server";

vi.mock("@/lib/download", () => ({ save: vi.fn() }));

const row = (number: number, changes: object = {}) => ({
  row: number,
  sample: 40 + number,
  epoch: 0,
  start: 640,
  tokens: 4,
  documents: [
    { id: `story-${number}`, start: 0, end: 2, offset: 5, length: 7 },
    { id: "noise", start: 2, end: 4, offset: 0, length: 2 },
  ],
  preview: `Row ${number} begins`,
  loss: null,
  worst: null,
  texts: null,
  losses: null,
  ...changes,
});
const batch = (step: number, changes: Partial<StepBatch> = {}): StepBatch => ({
  run: "run-1",
  done_by: "run-1",
  step,
  last_step: 20,
  first_sample: 40,
  batch_size: 2,
  data: "tokens-1",
  dataset: "town-1",
  figures: { "train/loss": 6.5, "train/grad_norm": null, "train/lr": 0.002 },
  usual: { "train/loss": 3.25 },
  scored: null,
  offset: 0,
  rows: [row(0), row(1)],
  ...changes,
});
const SCORED = {
  step: 10,
  words: "the checkpoint of step 10, the very weights that the step began with",
  loss: 5,
  rows: 2,
};

function Page({ run }: { run: Run }) {
  const { step, row: number, score, open: show, setRow, setScore } = useOpenStep();
  return (
    <BatchSheet
      run={run}
      step={step}
      row={number}
      score={score}
      onStep={show}
      onRow={setRow}
      onScore={setScore}
    />
  );
}

const page = (query: string, scored: unknown = null) =>
  open(`/runs/?id=run-1${query}`, <Page run={aRun({ stage: "pretrain" })} />, {
    "GET /api/v1/runs/run-1/batch": ({ query }: Asked) => {
      const [step, score, wanted, texts] = ["step", "score", "row", "texts"].map((name) => query.get(name));
      if (score && scored instanceof Response) return scored.clone();
      const losses = score ? { losses: [null, 1, null, 7.5], worst: 3 } : {};
      const whole = { texts: ["Mia ", "ran", ". ", "xqz"], ...losses };
      if (wanted) return batch(Number(step), { rows: [row(Number(wanted), whole)] });
      const rows = score ? [row(1, { loss: 7.5 }), row(0, { loss: 2.5 })] : [row(0), row(1)];
      return batch(Number(step), {
        rows: texts ? rows.map((item) => ({ ...item, ...whole })) : rows,
        scored: score ? SCORED : null,
      });
    },
  });
const rows = () =>
  within(screen.getByRole("list", { name: "Rows" })).getAllByRole("button", { name: /^Row/ });

test("a step's figures stand beside what was usual, and its rows with their documents", async () => {
  page("&batch=11");
  const sheet = within(await screen.findByRole("dialog", { name: "Step 11" }));
  expect(await sheet.findByText("6.500")).toBeVisible();
  expect(sheet.getByText("usually 3.250")).toBeVisible();
  expect(sheet.getByText("not finite")).toBeVisible();
  expect(sheet.getByText(/2 rows from sample 40 on, of/)).toHaveTextContent("of town-1.");
  expect(rows().map((item) => item.textContent)).toEqual([
    "Row 0story-0, noiseRow 0 begins",
    "Row 1story-1, noiseRow 1 begins",
  ]);
});

test("scored, the worst row comes first; opened, its tokens show their loss and its documents their place", async () => {
  const { user } = page("&batch=11");
  await user.click(await screen.findByRole("button", { name: "Score rows" }));
  expect(await screen.findByText(/by the checkpoint of step 10, the very weights/)).toHaveTextContent(
    "Mean 5.000.",
  );
  expect(rows().map((item) => item.textContent?.slice(0, 5))).toEqual(["Row 1", "Row 0"]);
  await user.click(rows()[0] as HTMLElement);
  expect(address()).toBe("/runs/?id=run-1&batch=11&score=1&row=1");
  const noise = within(await screen.findByRole("region", { name: "Document noise" }));
  expect(noise.getByText("all of it, 2 tokens")).toBeVisible();
  expect(screen.getByText("tokens 6 to 7 of 7")).toBeVisible();
  expect(noise.getByTitle("7.500 nats")).toHaveTextContent("xqz");
});

test("arrows go from step to step, a number to any, and the address follows", async () => {
  const { user } = page("&batch=11&row=1");
  const sheet = await screen.findByRole("dialog");
  await screen.findByText("6.500");
  sheet.focus();
  await user.keyboard("{ArrowRight}");
  expect(address()).toBe("/runs/?id=run-1&batch=12");
  await user.click(screen.getByRole("button", { name: "Previous step" }));
  expect(address()).toBe("/runs/?id=run-1&batch=11");
  const field = screen.getByLabelText("Step");
  await user.clear(field);
  await user.type(field, "900{Enter}");
  expect(address()).toBe("/runs/?id=run-1&batch=20");
  expect(await screen.findByRole("dialog", { name: "Step 20" })).toBeVisible();
  expect(screen.getByRole("button", { name: "Next step" })).toBeDisabled();
  await user.click(screen.getByRole("button", { name: "Close" }));
  expect(address()).toBe("/runs/?id=run-1");
});

test("where scoring is refused the reason is given, and the rows stay", async () => {
  const message = "No checkpoint of the run run-1 is left to score the rows with.";
  page("&batch=11&score=1", answer(404, { error: { message, hint: "Pin one." } }));
  expect(await screen.findByText("The rows are not scored.")).toBeVisible();
  expect(screen.getByText(`${message} Pin one.`)).toBeVisible();
  expect(rows()).toHaveLength(2);
});

test("the whole step is saved as JSON, each row with its tokens", async () => {
  const { user } = page("&batch=11");
  await user.click(await screen.findByRole("button", { name: "Save JSON" }));
  await waitFor(() => expect(save).toHaveBeenCalled());
  const [blob, name] = vi.mocked(save).mock.calls[0] ?? [];
  expect(name).toBe("run-1-step-11.json");
  const saved = JSON.parse((await blob?.text()) ?? "") as StepBatch;
  expect(saved.rows.map(({ texts }) => texts?.length)).toEqual([4, 4]);
});

test("an alert of a spike leads to its batch, others do not", async () => {
  const event = (id: number, kind: string, step: number) => ({
    id,
    time: 0,
    type: "alert",
    data: { kind, step, severity: "warning", message: `A ${kind}.`, hint: "" },
  });
  const onStep = vi.fn();
  const alerts = alertsOf([event(1, "spike", 120), event(2, "slow_down", 130)]);
  const { user } = open("/", <Alerts alerts={alerts} onStep={onStep} />);
  await user.click(screen.getByRole("button", { name: "Show its batch" }));
  expect(onStep).toHaveBeenCalledExactlyOnceWith(120);
});
