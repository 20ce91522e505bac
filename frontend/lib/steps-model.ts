/** The steps of one token's way through a model as a picture that opens level by level, and its address. */

import type { Explanation, TraceStep } from "./architecture-types";

/** One term of a sum; its sources say which numbers the factors are, null for a weight. */
export type Term = Explanation["terms"][number];

/** One captured number: which intermediate, of which token, which of its numbers. */
export type NumberRef = NonNullable<Term["source"]>;

/** A part of a block that reads the residual stream and adds to it. */
export interface Branch {
  key: string;
  kind: "attention" | "ffn";
  title: string;
  layer: number;
  /** In order of computation; those behind the sum stand in `after`. */
  steps: TraceStep[];
  after: TraceStep[];
  /** What it adds to the stream. */
  added: TraceStep | null;
}

export interface Block {
  layer: number;
  branches: Branch[];
  /** The stream before the block, between its branches, and behind it. */
  input: TraceStep | null;
  middle: TraceStep | null;
  output: TraceStep | null;
}

export interface Outline {
  before: TraceStep[];
  blocks: Block[];
  after: TraceStep[];
}

/** "attention.q" of "blocks.3.attention.q"; a name outside the blocks stays. */
export const partOf = (name: string): string => name.replace(/^blocks\.\d+\./, "");

const ADDS = {
  attention: ["attention_post_norm", "attention.output"],
  ffn: ["ffn_post_norm", "ffn.output"],
} as const;
const TITLES = { attention: "Attention", ffn: "Feed-forward" } as const;

function branch(layer: number, kind: Branch["kind"], steps: readonly TraceStep[]): Branch {
  const own = steps.filter(({ name }) => partOf(name).startsWith(kind));
  const added = ADDS[kind].map((part) => own.find(({ name }) => partOf(name) === part)).find(Boolean) ?? null;
  const end = added ? own.indexOf(added) + 1 : own.length;
  return {
    key: `${layer}${kind === "attention" ? "a" : "f"}`,
    kind,
    title: TITLES[kind],
    layer,
    steps: own.slice(0, end),
    after: own.slice(end),
    added,
  };
}

/** Sorts the steps of a trace into what stands before the blocks, each block, and what stands behind. */
export function outlineOf(steps: readonly TraceStep[]): Outline {
  const layers = [...new Set(steps.flatMap(({ layer }) => (layer === null ? [] : [layer])))].sort(
    (a, b) => a - b,
  );
  const firstInside = steps.findIndex(({ layer }) => layer !== null);
  const outside = (from: number, to: number) => steps.slice(from, to).filter(({ layer }) => layer === null);
  return {
    before: outside(0, firstInside < 0 ? steps.length : firstInside),
    blocks: layers.map((layer) => {
      const own = steps.filter((step) => step.layer === layer);
      const find = (part: string) => own.find(({ name }) => partOf(name) === part) ?? null;
      return {
        layer,
        branches: [branch(layer, "attention", own), branch(layer, "ffn", own)].filter(
          ({ steps: inside, after }) => inside.length + after.length > 0,
        ),
        input: find("input"),
        middle: find("middle"),
        output: find("output"),
      };
    }),
    after: firstInside < 0 ? [] : outside(firstInside, steps.length),
  };
}

/** The boxes that must be open for a step to be seen. */
export function boxesOf(name: string): string[] {
  const found = /^blocks\.(\d+)\.(.*)$/.exec(name);
  if (!found) return [];
  const [, layer, part = ""] = found;
  const inside = part.includes(".") ? [`${layer}${part.startsWith("attention") ? "a" : "f"}`] : [];
  return [`${layer}`, ...inside];
}

export const readOpen = (text: string | null): ReadonlySet<string> =>
  new Set((text ?? "").split(",").filter((key) => /^\d+[af]?$/.test(key)));
export const writeOpen = (open: ReadonlySet<string>): string | null => [...open].sort().join(",") || null;

/** Opens or closes a box; a block takes the boxes within it along. */
export function toggled(open: ReadonlySet<string>, key: string): ReadonlySet<string> {
  const next = new Set(open);
  if (!next.delete(key)) next.add(key);
  else if (/^\d+$/.test(key)) {
    next.delete(`${key}a`);
    next.delete(`${key}f`);
  }
  return next;
}

/** A chain of numbers, each coming from the next, as one value of the address. */
export const writeTrail = (trail: readonly NumberRef[]): string | null =>
  trail
    .map(({ name, position, index, head }) =>
      [name, position, index, ...(head === null ? [] : [head])].join("_"),
    )
    .join("~") || null;

export function readTrail(text: string | null): NumberRef[] {
  const trail: NumberRef[] = [];
  for (const part of (text ?? "").split("~")) {
    const found = /^([a-z_.0-9]+?)_(\d+)_(\d+)(?:_(\d+))?$/.exec(part);
    if (!found) break;
    const [, name = "", position, index, head] = found;
    trail.push({ name, position: Number(position), index: Number(index), head: head ? Number(head) : null });
  }
  return trail;
}

/** Tensors with a head axis, and those whose numbers stand for tokens. */
const BY_HEAD = ["attention.q", "attention.k", "attention.v", "attention.q_rotated", "attention.k_rotated"];
const BY_TOKEN = ["attention.scores", "attention.weights"];
/** Tensors with a number for each token of the vocabulary. */
export const isByVocabulary = (name: string): boolean => name === "logits" || name === "probabilities";
export const isByToken = (name: string): boolean => BY_TOKEN.includes(partOf(name));
export const isByHead = (name: string): boolean =>
  isByToken(name) || BY_HEAD.includes(partOf(name)) || partOf(name) === "attention.mixed";
/** Shares between 0 and 1, to be drawn on one side of zero. */
export const isShare = (name: string): boolean =>
  ["attention.weights", "ffn.gates", "probabilities"].includes(partOf(name));

/** How the numbers of one token are laid out: heads in rows, or a vector broken into lines. */
export interface Sheet {
  rows: number;
  columns: number;
}

/** Numbers in a line of a plain vector, and of a long one. */
const LINE = 32;
const LONG_LINE = 64;
const LONG = 512;

export function sheetOf(name: string, shape: readonly number[], count: number): Sheet {
  if (isByHead(name) && shape.length >= 2) {
    const rows = shape.slice(0, -1).reduce((product, size) => product * size, 1);
    return { rows, columns: shape.at(-1) ?? 1 };
  }
  const columns = Math.min(count > LONG ? LONG_LINE : LINE, count);
  return { rows: Math.ceil(count / Math.max(1, columns)), columns };
}

/** A number with four significant digits. */
export function formatValue(value: number | null | undefined): string {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  if (size === 0) return "0";
  const sign = value < 0 ? "−" : "";
  if (size < 1e-3 || size >= 1e5) return sign + size.toExponential(2);
  return sign + (size >= 1000 ? size.toFixed(0) : size.toPrecision(4));
}

/** How the steps inside attention stand beside and below each other, and what leads from one line to the next. */
const LINES: readonly { parts: readonly string[]; by: string }[] = [
  { parts: ["q", "k", "v"], by: "W_q, W_k, W_v" },
  { parts: ["q_norm", "k_norm"], by: "norm of each head" },
  { parts: ["q_rotated", "k_rotated"], by: "turned by position" },
  { parts: ["scores", "weights"], by: "queries · keys, then softmax" },
  { parts: ["mixed"], by: "weights × values" },
  { parts: ["output"], by: "heads joined, W_O" },
];

/** The steps inside a branch in lines, as they are drawn; what has no place of its own stands alone. */
export function linesOf(
  kind: Branch["kind"],
  steps: readonly TraceStep[],
): { steps: TraceStep[]; by: string | null }[] {
  if (kind === "ffn") return steps.map((step) => ({ steps: [step], by: null }));
  const named = (part: string) => steps.find(({ name }) => partOf(name) === `attention.${part}`);
  const lines = LINES.map(({ parts, by }) => ({
    steps: parts.flatMap((part) => named(part) ?? []),
    by: by as string | null,
  })).filter((line) => line.steps.length > 0);
  const placed = new Set(lines.flatMap((line) => line.steps));
  return [
    ...lines,
    ...steps.filter((step) => !placed.has(step)).map((step) => ({ steps: [step], by: null })),
  ];
}

/** A length with three significant digits. */
export function formatShortValue(value: number): string {
  if (value === 0) return "0";
  return value < 0.01 || value >= 1000 ? value.toExponential(0) : value.toPrecision(3);
}

/** The title of a step within its layer: "Queries" of "Layer 0, queries". */
export function ownTitle({ title }: Pick<TraceStep, "title">): string {
  const own = title.replace(/^Layer \d+, /, "");
  return own.charAt(0).toUpperCase() + own.slice(1);
}

/** "4 × 32". */
export const formatShape = (shape: readonly number[]): string => shape.join(" × ") || "1";
