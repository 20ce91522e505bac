import type { TrainingPlan } from "@/lib/run-plan";
import type { Conversation, Health, Model, Run, RunDetail } from "@/lib/types";

/** Answers of the program with ordinary values; a test names only what it is about. */
export function aRun(changes: Partial<Run> = {}): Run {
  return {
    id: "run-1",
    name: "Quickstart",
    stage: "recipe",
    state: "running",
    seed: 0,
    config: { name: "quickstart", steps: [] },
    parent: null,
    step: null,
    forked_from: null,
    created_at: 1_700_000_000,
    launched_at: 1_700_000_000,
    started_at: 1_700_000_001,
    finished_at: null,
    heartbeat_at: null,
    pid: 4711,
    progress: { done: 0, total: null, unit: "", message: "", eta_s: null, details: {} },
    output: null,
    summary: {},
    error: null,
    resumable: false,
    attempt: 1,
    peak_memory_bytes: null,
    tags: [],
    notes: "",
    ...changes,
  };
}

export const aRunDetail = (changes: Partial<RunDetail> = {}): RunDetail => ({
  ...aRun(),
  children: [],
  ...changes,
});

export function aModel(changes: Partial<Model> = {}): Model {
  return {
    id: "model-1",
    kind: "model",
    name: "Town model",
    created_at: 1_700_000_000,
    builtin: false,
    run_id: null,
    parents: [],
    summary: {},
    size_bytes: 4_000_000,
    code_version: "0.1.0",
    parameters: 1_000_000,
    vocab_size: 1024,
    context_length: 256,
    chat: true,
    about: "It knows a small town.",
    knows: [],
    suggested_questions: [],
    ...changes,
  };
}

export const aConversation = (changes: Partial<Conversation> = {}): Conversation => ({
  id: "talk-1",
  title: "Who is Ann?",
  model: "model-1",
  params: {},
  messages: [
    { role: "user", content: "Who is Ann?" },
    { role: "assistant", content: "Ann is the baker." },
  ],
  created_at: 1_700_000_000,
  updated_at: 1_700_000_000,
  ...changes,
});

export const HEALTH: Health = {
  status: "ok",
  version: "0.1.0",
  device: { name: "Small processor", type: "cpu", cores: 2 },
  memory: { rss_bytes: 1e8, total_bytes: 8e9, available_bytes: 4e9 },
  workspace: "/home/ann/.llm-playground",
  web_app: true,
};

export const QUICKSTART = {
  name: "quickstart",
  title: "Quickstart",
  description: "From text to a chatting model.",
  minutes: 10,
  steps: [],
};

/** What a training takes; 4 GB of the 10 that there are. */
export const aPlan = (changes: Partial<TrainingPlan> = {}): TrainingPlan => {
  const parts = { weights: 5e8, gradients: 5e8, optimizer: 1e9, activations: 1.7e9, logits: 0, base: 3e8 };
  const footprint = {
    ...{ base: 3e8, weights: 5e8, gradients: 5e8, optimizer: 1e9, average: 0, activations: 1.7e9 },
    ...{ recomputed: 0, logits: 0, holes: 0, moments: { loss: 4e9 }, parts, peak: 4e9, worst: "loss" },
  };
  return {
    device: "this",
    devices: 1,
    memory_bytes: 1e10,
    parameters: 1_234_567,
    steps: 1000,
    tokens: 2_048_000,
    flops_per_step: 3e9,
    configured: { micro_batch_size: 16, accumulation: 1, checkpointing: "none", footprint },
    suggested: null,
    fits: true,
    refused: false,
    time: {
      ...{ step: 0.25, blocks: 0.2, outside: 0.05, recomputed: 0, update: 0, engine: 0, validation: 1 },
      ...{ total: 260, method: "rate", peak_flops: 1e11, utilization: 0.4 },
    },
    tokens_per_second: 8192,
    energy_kwh: null,
    cost: null,
    currency: "USD",
    warnings: [],
    notes: ["Time follows from operations."],
    ...changes,
  };
};

/** A device of the table. */
export const CARD = {
  name: "h100",
  title: "NVIDIA H100",
  kind: "gpu" as const,
  memory_bytes: 8e10,
  flops: { float32: 6e13 },
  bandwidth: 3e12,
  watts: 700,
  price_per_hour: 2.5,
  as_of: "2026-03-10",
  source: "A data sheet",
  note: "",
};
