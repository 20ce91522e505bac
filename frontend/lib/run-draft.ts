/** A run that is being put together: what was chosen, and the request that starts it. */

import { changesBetween, decodeSettings, encodeSettings } from "./architecture-config";
import type { Config } from "./architecture-types";
import type { Artifact } from "./run-types";
import type { RunRequest } from "./types";
import { withQuery } from "./utils";

export const NEW_RUN = "/runs/new/";
/** Text that the program has or writes itself. */
export const SOURCES = [
  {
    value: "tinyworld",
    title: "tinyworld: stories of a small town",
    about: "Written by the program, simple and varied; a small model masters them in minutes.",
  },
  {
    value: "python-docs",
    title: "python-docs: real English",
    about: "The documentation inside the running Python: a few megabytes of real text.",
  },
  {
    value: "python-code",
    title: "python-code: source code",
    about: "The modules of the running Python's standard library.",
  },
] as const;

export type TrainedStage = "pretrain" | "sft";

export interface Draft {
  stage: TrainedStage;
  /** "tokens:ID", "dataset:ID" or "source:NAME". */
  data: string;
  /** Stories to write, for tinyworld. */
  documents: number;
  /** Id of a tokenizer; empty: train one. */
  tokenizer: string;
  /** Size of the tokenizer to train. */
  vocabulary: number;
  /** The architecture that is started from, as on the Architecture page, and the changes to it. */
  from: string | null;
  changes: Config;
  /** The model to fine-tune, and the conversations. */
  model: string;
  dataset: string;
  /** Changes to the defaults of the training settings, and of the stage's other settings. */
  training: Config;
  other: Config;
  name: string;
  seed: number;
}

export const BLANK: Draft = {
  stage: "pretrain",
  data: "",
  documents: 20_000,
  tokenizer: "",
  vocabulary: 1024,
  from: null,
  changes: {},
  model: "",
  dataset: "",
  training: {},
  other: {},
  name: "",
  seed: 0,
};

/** Settings of an architecture that follow from the tokenizer. */
export const OF_TOKENIZER = ["vocab_size", "bos_id", "eos_id", "pad_id"];
const NAMES: Record<TrainedStage, string> = { pretrain: "base model", sft: "chat model" };

const idOf = (choice: string, kind: string): string | null =>
  choice.startsWith(`${kind}:`) ? choice.slice(kind.length + 1) : null;

/** The draft that an address says. */
export function readDraft(query: URLSearchParams): Draft {
  const number = (name: string, usual: number) => {
    const value = Number(query.get(name) ?? usual);
    return Number.isSafeInteger(value) && value >= 0 ? value : usual;
  };
  return {
    stage: query.get("stage") === "sft" ? "sft" : "pretrain",
    data: query.get("data") ?? "",
    documents: number("documents", BLANK.documents),
    tokenizer: query.get("tokenizer") ?? "",
    vocabulary: number("vocabulary", BLANK.vocabulary),
    from: query.get("from"),
    changes: decodeSettings(query.get("set")),
    model: query.get("model") ?? "",
    dataset: query.get("dataset") ?? "",
    training: decodeSettings(query.get("train")),
    other: decodeSettings(query.get("other")),
    name: query.get("name") ?? "",
    seed: number("seed", 0),
  };
}

/** The address of a draft: only what is not as it is at first. */
export function draftHref(draft: Partial<Draft>): string {
  const said = { ...BLANK, ...draft };
  const unless = (value: string | number, usual: string | number) => (value === usual ? null : String(value));
  return withQuery(NEW_RUN, {
    stage: unless(said.stage, BLANK.stage),
    data: said.data,
    documents: unless(said.documents, BLANK.documents),
    tokenizer: said.tokenizer,
    vocabulary: unless(said.vocabulary, BLANK.vocabulary),
    from: said.from,
    set: encodeSettings(said.changes),
    model: said.model,
    dataset: said.dataset,
    train: encodeSettings(said.training),
    other: encodeSettings(said.other),
    name: said.name,
    seed: unless(said.seed, 0),
  }).replace(/%(3A|2C|28|29|3B)/g, (found) => decodeURIComponent(found));
}

/** Token shards that were made from a data set with a tokenizer, if there are. */
export const shardsOf = (
  tokens: readonly Artifact[],
  dataset: string,
  tokenizer: string,
): Artifact | undefined =>
  tokens.find(({ parents }) => parents.includes(dataset) && parents.includes(tokenizer));

export interface Started {
  body: RunRequest;
  /** What the settings of the stage begin with in a list of problems. */
  prefix: string;
  /** The stages before training, in words. */
  before: string[];
}

type Step = { name: string; stage: string; title?: string; config: Config };

/**
 * The request that starts a draft: the one stage where all that it needs is there, else a recipe that makes
 * the rest first.
 *
 * @param shape changes to the preset that the architecture is, without what follows from the tokenizer.
 */
export function requestOf(
  draft: Draft,
  tokens: readonly Artifact[],
  shape: { preset: string; model: Config },
): Started {
  const name = draft.name.trim() || NAMES[draft.stage];
  const training = Object.keys(draft.training).length ? { training: draft.training } : {};
  if (draft.stage === "sft") {
    const config = { model: draft.model, dataset: draft.dataset, ...draft.other, name, ...training };
    return { body: { stage: "sft", config, name, seed: draft.seed }, prefix: "", before: [] };
  }
  const steps: Step[] = [];
  let shards = idOf(draft.data, "tokens");
  if (shards === null) {
    let dataset = idOf(draft.data, "dataset");
    const source = idOf(draft.data, "source");
    if (source !== null) {
      const amount = source === "tinyworld" ? { documents: draft.documents } : {};
      steps.push({ name: "data", stage: "data.prepare", config: { source, ...amount } });
      dataset = "${data.output}";
    }
    let tokenizer = draft.tokenizer;
    if (!tokenizer) {
      const config = { dataset, vocab_size: draft.vocabulary, name: `${name} tokenizer` };
      steps.push({ name: "tokenizer", stage: "tokenizer.train", config });
      tokenizer = "${tokenizer.output}";
    }
    shards = dataset === null ? "" : (shardsOf(tokens, dataset, tokenizer)?.id ?? null);
    if (shards === null) {
      steps.push({ name: "tokens", stage: "data.tokenize", config: { dataset, tokenizer } });
      shards = "${tokens.output}";
    }
  }
  const { preset, model } = shape;
  const config = {
    tokens: shards,
    ...(preset === "quickstart" ? {} : { preset }),
    ...(Object.keys(model).length ? { model } : {}),
    ...draft.other,
    ...training,
    name,
  };
  if (!steps.length) {
    return { body: { stage: "pretrain", config, name, seed: draft.seed }, prefix: "", before: [] };
  }
  const recipe = {
    name: slug(name),
    title: name.slice(0, 120),
    steps: [...steps, { name: "pretrain", stage: "pretrain", title: name, config }],
  };
  return {
    body: { stage: "recipe", config: recipe, name, seed: draft.seed },
    prefix: "pretrain.",
    before: steps.map((step) => step.name),
  };
}

/** A name as recipes have it: "My Model!" as "my-model". */
export function slug(name: string): string {
  const plain = name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "");
  return plain.slice(0, 60) || "new-model";
}

/** An architecture as a preset and the changes to it. */
export function shapeChanges(
  from: string | null,
  base: Config | null,
  changes: Config,
  defaults: Config,
): { preset: string; model: Config } {
  const own = (config: Config): Config =>
    Object.fromEntries(Object.entries(config).filter(([name]) => !OF_TOKENIZER.includes(name)));
  if (from === null) return { preset: "quickstart", model: own(changes) };
  if (from.startsWith("preset:")) {
    // As drawn: where nothing is said and the model's width changes, pre-training lets this one follow.
    const hidden = base?.["ffn_width"] ?? null;
    const said = hidden === null ? changes : { ffn_width: hidden, ...changes };
    return { preset: from.slice("preset:".length), model: own(said) };
  }
  return { preset: "quickstart", model: own(changesBetween(defaults, { ...base, ...changes })) };
}

/** The problems of one part of a draft, by the dotted name within it; what is of no part is under "". */
export function problemsOf(
  problems: readonly { field: string; message: string }[],
  prefix: string,
): { field: string; message: string }[] {
  return problems.map(({ field, message }) => ({
    field: prefix && field.startsWith(prefix) ? field.slice(prefix.length) : field,
    message,
  }));
}
