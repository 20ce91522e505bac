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
