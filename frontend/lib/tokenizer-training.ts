/** What is sent to train a tokenizer, and what its trace looks like as a curve. */

import type { Trace } from "./tokenizer-types";
import type { Run, RunDetail, RunRequest } from "./types";

export const PREPARE = "prepare:";

/** Data sets that the program can make itself, in seconds. */
export const PREPARED = [
  { source: "python-docs", name: "Documentation of Python", about: "English, with code in it" },
  { source: "python-code", name: "Source of Python's library", about: "code" },
  { source: "tinyworld", name: "Stories of the small town", about: "simple English" },
] as const;

export const PATTERNS = [
  { value: "gpt2", name: "gpt2", about: "Words with the space before them; numbers of any length." },
  {
    value: "cl100k",
    name: "cl100k",
    about: "As GPT-4: at most three digits together, line ends kept with punctuation.",
  },
  { value: "o200k", name: "o200k", about: "As GPT-4o: also cuts where small letters turn to capitals." },
  { value: "qwen2", name: "qwen2", about: "As Qwen 2: every digit stands alone." },
] as const;

export const TIE_BREAKS = [
  {
    value: "hf",
    name: "hf",
    about: "As Hugging Face tokenizers: of two pairs that are equally frequent the one with the lowest ids.",
  },
  {
    value: "rustbpe",
    name: "rustbpe",
    about: "As rustbpe of nanochat: the lowest ids too, but ids are numbered otherwise.",
  },
  { value: "cs336", name: "cs336", about: "As Stanford's CS336: the pair whose bytes are the greatest." },
  { value: "first-seen", name: "first-seen", about: "As minbpe: the pair that was met first." },
] as const;

export interface Plan {
  /** Id of a data set, or `prepare:SOURCE`. */
  data: string;
  vocab_size: number;
  pattern: string;
  tie_break: string;
  chat: boolean;
  name: string;
}

const STORIES = { documents: 5000, conversations: 500, benchmark_items: 50 };

/** The run that a plan is: one stage where the data set is there, else a recipe that makes it first. */
export function requestOf({ data, ...plan }: Plan): Partial<RunRequest> & Pick<RunRequest, "stage"> {
  const config = { ...plan, name: plan.name.trim() || "tokenizer", trace: true };
  if (!data.startsWith(PREPARE)) {
    return { stage: "tokenizer.train", name: config.name, config: { dataset: data, ...config } };
  }
  const source = data.slice(PREPARE.length);
  const known = PREPARED.find((item) => item.source === source);
  return {
    stage: "recipe",
    name: config.name,
    config: {
      name: "tokenizer",
      title: `Tokenizer ${config.name}`.slice(0, 120),
      steps: [
        {
          name: "data",
          stage: "data.prepare",
          title: known?.name ?? source,
          config: { source, name: known?.name ?? source, ...(source === "tinyworld" ? STORIES : {}) },
        },
        {
          name: "tokenizer",
          stage: "tokenizer.train",
          title: config.name,
          config: { dataset: "${data.output}", ...config },
        },
      ],
    },
  };
}

/** Whether a run trains a tokenizer and nothing else. */
export const trainsTokenizer = (run: Run): boolean =>
  run.stage === "tokenizer.train" || (run.stage === "recipe" && run.config["name"] === "tokenizer");

/** The words of a run that goes on: those of its step at work, where it has steps. */
export function messageOf(run: RunDetail): string {
  const child = run.children.findLast((item) => item.state === "running");
  return (child ?? run).progress.message || run.progress.message;
}

/**
 * The counts of merges as a line in a box, the greatest above and the least below, on a logarithmic scale. The
 * steps may be some of all; each stands where it belongs.
 */
export function countCurve(steps: Trace["steps"], total: number, width: number, height: number): string {
  const logs = steps.map((step) => Math.log(1 + step.count));
  const most = Math.max(...logs);
  const least = Math.min(...logs);
  const columns = Math.min(steps.length, width);
  const points: string[] = [];
  for (let column = 0; column < columns; column += 1) {
    const at = columns > 1 ? Math.round((column * (steps.length - 1)) / (columns - 1)) : 0;
    const x = total > 1 ? (width * (steps[at]!.step - 1)) / (total - 1) : 0;
    const y = most > least ? (height * (most - logs[at]!)) / (most - least) : height / 2;
    points.push(`${x.toFixed(1)} ${y.toFixed(1)}`);
  }
  return points.length ? `M${points.join("L")}` : "";
}

/** Parts of a trace as one, each step once, in order. */
export function joinSteps(...parts: (Trace | undefined)[]): Trace["steps"] {
  const steps = new Map(parts.flatMap((part) => part?.steps ?? []).map((step) => [step.step, step]));
  return [...steps.values()].sort((a, b) => a.step - b.step);
}
