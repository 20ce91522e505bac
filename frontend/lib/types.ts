/** The shapes of the REST contract, as the pages use them. */

export type RunState = "queued" | "running" | "stopping" | "stopped" | "finished" | "failed" | "died";

export interface RunError {
  message: string;
  hint?: string | null;
  field?: string | null;
  detail?: string | null;
}

export interface RunProgress {
  done: number;
  total: number | null;
  unit: string;
  message: string;
  eta_s: number | null;
  details: Record<string, unknown>;
}

export interface Run {
  id: string;
  name: string;
  stage: string;
  state: RunState;
  seed: number;
  config: Record<string, unknown>;
  parent: string | null;
  step?: string | null;
  created_at: number;
  started_at: number | null;
  finished_at: number | null;
  heartbeat_at: number | null;
  progress: RunProgress;
  output: string | null;
  summary: Record<string, unknown>;
  error: RunError | null;
  resumable: boolean;
  attempt: number;
  peak_memory_bytes?: number | null;
}

export interface RunDetail extends Run {
  children: Run[];
}

export interface Model {
  id: string;
  name: string;
  kind: string;
  created_at: number | string;
  builtin: boolean;
  parameters: number | null;
  vocab_size: number | null;
  context_length: number | null;
  chat: boolean;
  about: string | null;
  knows: string[];
  suggested_questions: string[];
  run_id: string | null;
  parents: string[];
  summary: Record<string, unknown>;
}

export interface Health {
  status: string;
  version: string;
  device: { name: string; type: string; cores: number };
  memory: { rss_bytes: number; total_bytes: number; available_bytes: number };
  workspace: string;
  web_app: boolean;
}

export interface RecipeStep {
  name: string;
  stage: string;
  title: string;
}

export interface Recipe {
  name: string;
  title: string;
  description: string;
  steps: RecipeStep[];
  minutes: number | null;
}

export interface RecipeDetail extends Recipe {
  config: Record<string, unknown>;
}

export interface Series {
  step: number[];
  value: (number | null)[];
  min: (number | null)[];
  max: (number | null)[];
  segment: number[];
}

export interface Metrics {
  series: Record<string, Series>;
  ghosts?: Record<string, Series>;
  cursor?: number | null;
}

export interface MetricRow {
  id?: number;
  step: number;
  name: string;
  value: number | null;
  segment: number;
  time?: number;
}

export interface RunEvent {
  id: number;
  time: number;
  type: string;
  data: Record<string, unknown>;
}

export interface Interval {
  value: number;
  low: number;
  high: number;
  correct: number;
  count: number;
}

export type Role = "system" | "user" | "assistant";

export interface Message {
  role: Role;
  content: string;
}

export interface Conversation {
  id: string;
  title: string;
  model: string | null;
  messages: Message[];
  params: Record<string, unknown>;
  created_at: number | string;
  updated_at: number | string;
}

export interface ConversationSummary {
  id: string;
  title: string;
  model: string | null;
  updated_at: number | string;
}

export const ALIVE: readonly RunState[] = ["queued", "running", "stopping"];
export const isAlive = (run: Pick<Run, "state">): boolean => ALIVE.includes(run.state);
