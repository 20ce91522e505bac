import type { Tone } from "@/components/ui/badge";

import { isAlive, type Interval, type Run, type RunState } from "./types";

/** Words and colours of a run's state. */
export const STATES: Record<RunState, { label: string; tone: Tone; says: string }> = {
  queued: { label: "Queued", tone: "neutral", says: "It is about to start." },
  running: { label: "Running", tone: "accent", says: "It is at work, and goes on when this page is closed." },
  stopping: { label: "Stopping", tone: "warn", says: "It saves what it has, then ends." },
  stopped: { label: "Stopped", tone: "neutral", says: "It was stopped and can be resumed where it was." },
  finished: { label: "Finished", tone: "good", says: "It is done." },
  failed: { label: "Failed", tone: "bad", says: "It met a problem that it could not solve." },
  died: { label: "Died", tone: "bad", says: "Its process ended without a word." },
};

const STAGE_TITLES: Record<string, string> = {
  "data.prepare": "Data",
  "tokenizer.train": "Tokenizer",
  "data.tokenize": "Tokenize data",
  pretrain: "Pre-training",
  sft: "Fine-tuning",
  evaluate: "Held-out score",
  recipe: "Recipe",
  imported: "Imported",
};

export const stageTitle = (stage: string): string => STAGE_TITLES[stage] ?? stage;

/** Share done in [0, 1]; null where it is not known. */
export function shareDone(run: Run): number | null {
  if (run.state === "finished") return 1;
  const { done, total } = run.progress;
  if (!total) return run.state === "queued" ? 0 : null;
  return Math.min(1, Math.max(0, done / total));
}

/** How far a run is, in few words: a recipe's steps take very different times, so a percentage would mislead. */
export function progressWords(run: Run): string | null {
  const { done, total } = run.progress;
  if (run.stage === "recipe" && total) return `step ${Math.min(total, Math.floor(done) + 1)} of ${total}`;
  const share = shareDone(run);
  return share === null ? null : `${Math.floor(100 * share)}%`;
}

/** Seconds that a run has worked, up to its end (its last sign of life, where it died) or now. */
export function secondsOf(run: Run, now: number): number | null {
  const end = isAlive(run) ? now / 1000 : (run.finished_at ?? run.heartbeat_at);
  return run.started_at === null || end === null ? null : end - run.started_at;
}

/** A figure of a summary or of progress details, if it is one. */
export function figure(values: Record<string, unknown> | undefined, name: string): number | null {
  const value = values?.[name];
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

/** A share with its interval, if it is one. */
export function interval(value: unknown): Interval | null {
  if (value === null || typeof value !== "object") return null;
  const found = value as Partial<Interval>;
  return typeof found.value === "number" && typeof found.low === "number" && typeof found.high === "number"
    ? (found as Interval)
    : null;
}

/** Whether a run is the quickstart. */
export const isQuickstart = (run: Run): boolean =>
  run.stage === "recipe" && run.config["name"] === "quickstart";

/** The step of a recipe to look at: the one at work, else the last with curves, else the last. */
export function activeChild(children: readonly Run[]): Run | null {
  return (
    children.find((child) => isAlive(child)) ??
    children.findLast(
      (child) => child.state === "failed" || child.state === "died" || child.state === "stopped",
    ) ??
    children.findLast((child) => hasCurves(child)) ??
    children.at(-1) ??
    null
  );
}

/** Whether a stage trains, and so draws curves. */
export const hasCurves = (run: Pick<Run, "stage">): boolean =>
  run.stage === "pretrain" || run.stage === "sft";
