import { BLANK, draftHref, readDraft, requestOf, shapeChanges, slug } from "@/lib/run-draft";
import type { Artifact } from "@/lib/run-types";

const SHAPE = { preset: "quickstart", model: {} };
const artifact = (changes: Partial<Artifact>): Artifact => ({
  id: "t1",
  kind: "tokens",
  name: "tokens",
  created_at: 0,
  builtin: false,
  run_id: null,
  parents: [],
  summary: {},
  size_bytes: 0,
  code_version: "",
  ...changes,
});
const stagesOf = (config: unknown) =>
  (config as { steps: { stage: string; config: Record<string, unknown> }[] }).steps;

test("an address says a whole draft, and nothing where all is as at first", () => {
  expect(draftHref(BLANK)).toBe("/runs/new/");
  const draft = {
    ...BLANK,
    data: "dataset:d1",
    tokenizer: "k1",
    from: "preset:gpt2-small",
    changes: { width: 64, rope_scaling: { type: "yarn", factor: 4 } },
    training: { steps: 200, sample_prompts: ["One day, Mia", "Tom"], ema_decay: null, compile: true },
    name: "A small one",
    seed: 3,
  };
  const href = draftHref(draft);
  expect(readDraft(new URL(href, "http://localhost").searchParams)).toEqual(draft);
});

test("shards that are ready are trained on at once", () => {
  const { body, prefix, before } = requestOf({ ...BLANK, data: "tokens:t9", seed: 4 }, [], SHAPE);
  expect(body).toEqual({
    stage: "pretrain",
    config: { tokens: "t9", name: "base model" },
    name: "base model",
    seed: 4,
  });
  expect([prefix, before]).toEqual(["", []]);
});

test("what is missing is made first, as steps of a recipe", () => {
  const draft = {
    ...BLANK,
    data: "source:tinyworld",
    documents: 500,
    training: { steps: 9 },
    name: "My Model!",
  };
  const { body, prefix, before } = requestOf(draft, [], { preset: "quickstart", model: { width: 64 } });
  expect(body.stage).toBe("recipe");
  expect(body.config).toMatchObject({ name: "my-model", title: "My Model!" });
  expect(stagesOf(body.config).map(({ stage }) => stage)).toEqual([
    "data.prepare",
    "tokenizer.train",
    "data.tokenize",
    "pretrain",
  ]);
  expect(stagesOf(body.config)[0]?.config).toEqual({ source: "tinyworld", documents: 500 });
  expect(stagesOf(body.config)[3]?.config).toEqual({
    tokens: "${tokens.output}",
    model: { width: 64 },
    training: { steps: 9 },
    name: "My Model!",
  });
  expect([prefix, before]).toEqual(["pretrain.", ["data", "tokenizer", "tokens"]]);
});

test("a text that was cut with a tokenizer before is not cut again", () => {
  const draft = { ...BLANK, data: "dataset:d1", tokenizer: "k1" };
  const shards = artifact({ id: "t7", parents: ["d1", "k1"] });
  expect(requestOf(draft, [shards], SHAPE).body.config).toMatchObject({ tokens: "t7" });
  const steps = stagesOf(requestOf(draft, [artifact({ parents: ["d1", "k2"] })], SHAPE).body.config);
  expect(steps[0]).toMatchObject({ stage: "data.tokenize", config: { dataset: "d1", tokenizer: "k1" } });
});

test("fine-tuning takes a model and conversations", () => {
  const draft = {
    ...BLANK,
    stage: "sft" as const,
    model: "m",
    dataset: "d",
    other: { validation_fraction: 0.1 },
  };
  expect(requestOf(draft, [], SHAPE).body).toMatchObject({
    stage: "sft",
    config: { model: "m", dataset: "d", validation_fraction: 0.1, name: "chat model" },
  });
});

test("an architecture is a preset and changes, without what the tokenizer decides", () => {
  const defaults = { width: 128, layers: 4, vocab_size: 1024, ffn_width: null };
  expect(shapeChanges(null, defaults, { width: 64, vocab_size: 300 }, defaults)).toEqual({
    preset: "quickstart",
    model: { width: 64 },
  });
  const preset = { ...defaults, width: 768, ffn_width: 2048 };
  expect(shapeChanges("preset:x", preset, { layers: 2 }, defaults)).toEqual({
    preset: "x",
    model: { ffn_width: 2048, layers: 2 },
  });
  expect(shapeChanges("model-1", preset, { layers: 2 }, defaults)).toEqual({
    preset: "quickstart",
    model: { width: 768, ffn_width: 2048, layers: 2 },
  });
});

test.each([
  ["My Model!", "my-model"],
  ["模型", "new-model"],
  ["--", "new-model"],
])("the name %j is %j in a recipe", (name, expected) => expect(slug(name)).toBe(expected));
