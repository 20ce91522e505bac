import { screen, waitFor, within } from "@testing-library/react";

import { NewRun } from "@/components/runs/new/new-run";

import { address, visit } from "./navigation";
import { open } from "./page";
import { aPlan, aRun, CARD } from "./samples";
import { answer } from "./server";

vi.mock("@/components/runs/line-chart", () => ({
  default: ({ title, lines }: { title: string; lines: { curve: { values: number[] } }[] }) => (
    <p>{`${title}: ${lines.map((line) => line.curve.values.join(" ")).join()}`}</p>
  ),
}));

const integer = (title: string, value: number, group: string, description = "") => ({
  type: "integer",
  title,
  default: value,
  minimum: 1,
  description,
  group,
});
const TRAINING = {
  type: "object",
  properties: {
    steps: integer("Steps", 1000, "Length and batch", "Optimizer steps."),
    batch_size: integer("Batch Size", 16, "Length and batch"),
    optimizer: { type: "string", enum: ["adamw", "muon"], default: "adamw", group: "Optimizer" },
    sample_prompts: { type: "array", items: { type: "string" }, default: [], group: "Length and batch" },
  },
};
const STAGE = {
  name: "pretrain",
  title: "Pre-training",
  description: "",
  config_schema: {
    type: "object",
    $defs: { TrainingConfig: TRAINING },
    properties: {
      tokens: { type: "string" },
      preset: { type: "string", default: "quickstart" },
      model: { type: "object" },
      training: { $ref: "#/$defs/TrainingConfig" },
      name: { type: "string", default: "base model" },
    },
    required: ["tokens"],
  },
};
const SCHEMA = {
  type: "object",
  properties: {
    width: integer("Width", 128, "Size"),
    vocab_size: integer("Vocab Size", 1024, "Size"),
  },
};
const PREVIEW = {
  problems: [],
  schedule: [
    { step: 0, rate: 0.001 },
    { step: 9, rate: 0.002 },
  ],
  yaml: "tokens: t1\n",
  command: "llmp pretrain --tokens t1",
  model: { width: 128, vocab_size: 300 },
  tokens: 2_048_000,
  epochs: 2.5,
};
const SHARDS = {
  id: "t1", kind: "tokens", name: "tokens", created_at: 1, builtin: false, run_id: null, parents: ["d1", "k1"],
  summary: { train_tokens: 800_000, vocab_size: 300 }, size_bytes: 1, code_version: "",
}; // prettier-ignore

const page = (routes: Record<string, unknown> = {}, at = "/runs/new/", tokens = [SHARDS]) =>
  open(at, <NewRun />, {
    "GET /api/v1/stages/pretrain": STAGE,
    "GET /api/v1/artifacts": { artifacts: [] },
    "GET /api/v1/transformer/schema": SCHEMA,
    "GET /api/v1/transformer/presets": { presets: [] },
    "GET /api/v1/transformer/models": { models: [] },
    "GET /api/v1/transformer/devices": { devices: [CARD], this: CARD },
    "GET /api/v1/data/uploads": { uploads: [], max_bytes: 1000 },
    "POST /api/v1/runs/plan": aPlan(),
    "POST /api/v1/runs/preview": PREVIEW,
    ...(tokens.length ? { "GET /api/v1/artifacts": { artifacts: tokens } } : {}),
    ...routes,
  });
const last = (server: ReturnType<typeof page>["server"]) =>
  server.sent("POST", "/api/v1/runs/preview").at(-1)?.body as {
    stage: string;
    config: Record<string, unknown>;
  };

test("the form of the schema starts the run that it shows", async () => {
  const { user, server } = page({ "POST /api/v1/runs": aRun({ id: "new-1", stage: "pretrain" }) });
  const train = screen.getByRole("button", { name: "Train" });
  expect(train).toBeDisabled();
  const steps = await screen.findByRole("textbox", { name: "Steps" });
  await user.clear(steps);
  await user.type(steps, "200");
  await user.clear(screen.getByRole("textbox", { name: "Width" }));
  await user.type(screen.getByRole("textbox", { name: "Width" }), "64");
  await user.type(screen.getByRole("textbox", { name: "Sample prompts" }), "Mia{Enter}One day");
  expect(screen.queryByRole("textbox", { name: "Vocab size" })).toBeNull();
  const config = {
    tokens: "t1",
    name: "base model",
    model: { width: 64 },
    training: { steps: 200, sample_prompts: ["Mia", "One day"] },
  };
  await waitFor(() => expect(last(server)).toEqual({ stage: "pretrain", config, seed: 0 }));
  expect(await screen.findByText("1.23M")).toBeVisible();
  expect(screen.getByText("2.500 times the text")).toBeVisible();
  expect(screen.getByText("Learning rate: 0.001 0.002")).toBeVisible();
  expect(screen.getByRole("region", { name: "Command" })).toHaveTextContent("llmp pretrain --tokens t1");
  await waitFor(() => expect(address()).toContain("train=steps:200"));
  await waitFor(() => expect(train).toBeEnabled());
  await user.click(train);
  await waitFor(() => expect(address()).toBe("/runs/?id=new-1"));
  expect(server.sent("POST", "/api/v1/runs")[0]?.body).toEqual({
    stage: "pretrain", config, name: "base model", seed: 0,
  }); // prettier-ignore
});

test("a problem stands at its setting, and nothing can be started", async () => {
  page({
    "POST /api/v1/runs/preview": {
      ...PREVIEW,
      problems: [
        { field: "training", message: "batch_size (3) is odd" },
        { field: "model", message: "width (3) is odd" },
        { field: "tokens", message: "There is no t1." },
      ],
    },
  });
  expect(await screen.findByText("3 settings are not right yet")).toBeVisible();
  expect(screen.getByText("Batch size (3) is odd.")).toBeVisible();
  expect(screen.getByRole("textbox", { name: "Width" })).toHaveAccessibleDescription("Width (3) is odd.");
  expect(screen.getByText("There is no t1.")).toBeVisible();
  expect(screen.getByRole("button", { name: "Train" })).toBeDisabled();
});

test("an empty workspace begins with a text that the program writes, and what the address says", async () => {
  const { server } = page({}, "/runs/new/?set=width:32", []);
  await waitFor(() => expect(last(server)?.stage).toBe("recipe"));
  const steps = last(server).config["steps"] as { stage: string; config: unknown }[];
  expect(steps.map((step) => step.stage)).toEqual([
    "data.prepare", "tokenizer.train", "data.tokenize", "pretrain",
  ]); // prettier-ignore
  expect(steps[3]?.config).toMatchObject({ model: { width: 32 } });
  expect(
    await screen.findByText(
      "First prepares the text, trains the tokenizer and cuts the text into tokens, then trains.",
    ),
  ).toBeVisible();
  visit("/runs/new/?data=source:python-docs");
  await waitFor(() =>
    expect((last(server).config["steps"] as { config: unknown }[])[0]?.config).toEqual({
      source: "python-docs",
    }),
  );
});

test("a start that is refused says why and can be tried again", async () => {
  const { user } = page({
    "POST /api/v1/runs": answer(507, { error: { message: "The disk is full.", hint: "Free some space." } }),
  });
  const train = screen.getByRole("button", { name: "Train" });
  await waitFor(() => expect(train).toBeEnabled());
  await user.click(train);
  expect(await screen.findByText("The disk is full. Free some space.")).toBeVisible();
  expect(train).toBeEnabled();
  expect(within(document.body).getByText("The run could not be started.")).toBeVisible();
});
