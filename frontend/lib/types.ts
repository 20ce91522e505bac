/** The shapes of the REST contract under the names that the pages use; generated ones by `npm run gen:api`. */

import type { components } from "./api.gen";

/** An answer has every field: the schema calls those with a default optional, which is true of requests only. */
type Answer<T> = T extends (infer U)[]
  ? Answer<U>[]
  : T extends object
    ? { [K in keyof T]-?: Answer<Exclude<T[K], undefined>> }
    : T;

type Schemas = components["schemas"];

export type Run = Answer<Schemas["RunRecord"]>;
export type RunDetail = Answer<Schemas["RunDetail"]>;
export type RunState = Run["state"];
export type RunRequest = Schemas["RunRequest"];
export type RunEvent = Answer<Schemas["Event"]>;
export type Series = Answer<Schemas["MetricSeries"]>;
export type Metrics = Answer<Schemas["RunMetrics"]>;
export type Model = Answer<Schemas["ModelInfo"]>;
export type ModelDetail = Answer<Schemas["ModelDetail"]>;
export type Health = Answer<Schemas["Health"]>;
export type Recipe = Answer<Schemas["RecipeInfo"]>;
export type RecipeDetail = Answer<Schemas["RecipeDetail"]>;
export type Message = Answer<Schemas["ChatMessage"]>;
export type Conversation = Answer<Schemas["Conversation"]>;
export type ConversationInfo = Answer<Schemas["ConversationInfo"]>;
export type NewConversation = Schemas["NewConversation"];
export type ConversationChanges = Schemas["ConversationChanges"];
export type ChatRequest = Schemas["ChatCompletionRequest"];

/** A logged value, as the event stream carries it. */
export interface MetricRow {
  id: number;
  step: number;
  name: string;
  value: number | null;
  segment: number;
  tokens?: number | null;
  flops?: number | null;
  time?: number;
}

/** A share with its confidence interval, as evaluations carry it. */
export interface Interval {
  value: number;
  low: number;
  high: number;
  correct: number;
  count: number;
}

/** One answered question, as the results of an evaluation carry it. */
export interface AnsweredQuestion {
  id: string;
  kind: string;
  question: string;
  expected: string;
  reply: string;
  correct: boolean;
  baseline_reply: string | null;
}

export const ALIVE: readonly RunState[] = ["queued", "running", "stopping"];
export const isAlive = (run: Pick<Run, "state">): boolean => ALIVE.includes(run.state);
