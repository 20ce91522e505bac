/** A lineage in words: kinds, figures, links. */

import { formatDuration, formatLoss, formatNumber, formatPercent, formatShort } from "./format";
import type { Lineage, LineageNode } from "./lineage-layout";
import { STATES, stageTitle } from "./run-view";
import type { RunState } from "./types";
import { modelHref, runHref, withQuery } from "./utils";

export const KINDS: Record<LineageNode["kind"], { label: string; colour: string }> = {
  run: { label: "Run", colour: "--muted" },
  dataset: { label: "Data set", colour: "--chart-3" },
  tokenizer: { label: "Tokenizer", colour: "--chart-4" },
  tokens: { label: "Token shards", colour: "--chart-5" },
  model: { label: "Model", colour: "--chart-1" },
  evaluation: { label: "Score", colour: "--chart-2" },
  measurement: { label: "Measurement", colour: "--chart-2" },
  checkpoint: { label: "Checkpoint", colour: "--accent" },
  unknown: { label: "Something deleted", colour: "--muted" },
};

const FIGURES: Record<string, { label: string; say: (value: number) => string }> = {
  documents: { label: "texts", say: formatNumber },
  conversations: { label: "conversations", say: formatNumber },
  vocab_size: { label: "vocabulary", say: formatNumber },
  train_tokens: { label: "tokens", say: formatShort },
  parameters: { label: "parameters", say: formatShort },
  steps: { label: "steps", say: formatNumber },
  train_loss: { label: "train loss", say: formatLoss },
  val_loss: { label: "validation loss", say: formatLoss },
  bits_per_byte: { label: "bits per byte", say: formatLoss },
  exact_match: { label: "exactly right", say: formatPercent },
  seconds: { label: "time", say: formatDuration },
};

/** Which figures say most of a kind. */
const MAIN: Record<LineageNode["kind"], readonly string[]> = {
  run: ["steps", "val_loss", "exact_match", "seconds"],
  dataset: ["documents", "conversations"],
  tokenizer: ["vocab_size"],
  tokens: ["train_tokens", "vocab_size"],
  model: ["parameters", "val_loss", "bits_per_byte"],
  evaluation: ["exact_match"],
  measurement: ["seconds"],
  checkpoint: [],
  unknown: [],
};

/** The main figures of a node as pairs of a name and a value. */
export const figuresOf = ({ kind, figures }: LineageNode): [string, string][] =>
  MAIN[kind].flatMap((name): [string, string][] => {
    const [value, known] = [figures[name], FIGURES[name]];
    return value === undefined || !known ? [] : [[known.label, known.say(value)]];
  });

/** The one figure that stands beside a node's name, if there is room. */
export function shortFigure({ kind, figures }: LineageNode): string {
  const value = (name: string) => figures[name];
  switch (kind) {
    case "dataset":
      return value("documents") === undefined ? "" : `${formatShort(value("documents"))} texts`;
    case "tokenizer":
      return value("vocab_size") === undefined ? "" : `${formatNumber(value("vocab_size"))} ids`;
    case "tokens":
      return value("train_tokens") === undefined ? "" : formatShort(value("train_tokens"));
    case "model":
      return value("parameters") === undefined ? "" : formatShort(value("parameters"));
    case "evaluation":
      return value("exact_match") === undefined ? "" : formatPercent(value("exact_match"), 0);
    default:
      return "";
  }
}

/** How a run stands, where that is worth a word. */
export function standing(node: LineageNode): string {
  if (node.deleted) return "deleted";
  if (node.builtin) return "built in";
  if (node.kind !== "run") return "";
  const state =
    node.state && node.state !== "finished" ? STATES[node.state as RunState].label.toLowerCase() : "";
  const again = node.attempt !== null && node.attempt > 1 ? `attempt ${node.attempt}` : "";
  return [state, again].filter(Boolean).join(", ");
}

/** What a box is headed with. */
export const headOf = (node: LineageNode): string => (node.stage ? stageTitle(node.stage) : "Run");

/** The page of a node; null where it has none. */
export function hrefOf(node: LineageNode): string | null {
  if (node.deleted) return null;
  if (node.kind === "run") return runHref(node.id);
  if (node.kind === "checkpoint") return node.run ? runHref(node.run) : null;
  if (node.kind === "model") return modelHref(node.id);
  if (node.kind === "tokenizer") return withQuery("/tokenizer/", { tokenizer: node.id });
  return null;
}

/** A node in a sentence, for those who do not see the picture. */
export function sentenceOf(node: LineageNode): string {
  const kind = node.kind === "run" && node.stage ? `Run, ${headOf(node)}` : KINDS[node.kind].label;
  const figures = figuresOf(node).map(([label, value]) => `${label} ${value}`);
  return [`${kind}: ${node.name}`, standing(node), ...figures, node.marked ? "this run" : ""]
    .filter(Boolean)
    .join(", ");
}

/** What each node was made from, in the order of the nodes. */
export function madeFrom(graph: Lineage): { node: LineageNode; from: LineageNode[] }[] {
  const nodes = new Map(graph.nodes.map((node) => [node.id, node]));
  return graph.nodes.map((node) => ({
    node,
    from: graph.edges
      .filter(({ after }) => after === node.id)
      .map(({ before }) => nodes.get(before))
      .filter((item): item is LineageNode => item !== undefined),
  }));
}

const LETTER = 6.4; // pixels of a letter at 12 px, about

/** How wide a text at 12 px is, about. */
export const widthOf = (text: string): number => LETTER * text.length;

/** A text cut so that it fits into so many pixels at 12 px, about. */
export function fitted(text: string, pixels: number): string {
  const letters = Math.max(1, Math.floor(pixels / LETTER));
  return text.length <= letters ? text : `${text.slice(0, Math.max(1, letters - 1)).trimEnd()}…`;
}
