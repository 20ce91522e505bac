/** What the logit lens shows: how a cell is coloured, what is said of it, and the answers of a position. */

import type { Attribution, Lens, LensCell } from "./architecture-types";
import { DASH, formatNumber } from "./format";
import { visible } from "./tokenizer-text";

export type LensLayers = Lens["layers"];

export interface LensMeasure {
  key: "probability" | "entropy" | "rank" | "kl";
  label: string;
  about: string;
  /** What the ends of the scale stand for. */
  low: string;
  high: string;
  /** From 0 (far from an answer) to 1 (the answer); null where there is nothing to compare with. */
  share: (cell: LensCell, scale: LensScale) => number | null;
  /** The figure in words. */
  words: (cell: LensCell) => string;
}

/** The greatest values that can be, or that were met. */
export interface LensScale {
  vocabulary: number;
  furthest: number;
}

const percent = (value: number) =>
  value > 0 && value < 0.001 ? "<0.1%" : `${(100 * value).toFixed(value < 0.0995 ? 1 : 0)}%`;
export const shareWords = percent;

export const LENS_MEASURES: readonly [LensMeasure, ...LensMeasure[]] = [
  {
    key: "probability",
    label: "Probability",
    about: "What the best guess of that layer is worth: its softmax over all tokens.",
    low: "0%",
    high: "100%",
    share: (cell) => cell.top[0]?.probability ?? null,
    words: (cell) => percent(cell.top[0]?.probability ?? 0),
  },
  {
    key: "entropy",
    label: "Entropy",
    about:
      "How open the guess still is: minus the sum of p ln p over all tokens, in nats. 0 is one sure token, the logarithm of the vocabulary's size a guess among all.",
    low: "open",
    high: "sure",
    share: (cell, { vocabulary }) => 1 - cell.entropy / Math.log(Math.max(2, vocabulary)),
    words: (cell) => `${cell.entropy.toFixed(2)} nats`,
  },
  {
    key: "rank",
    label: "Rank",
    about:
      "The place of the true token among all tokens, 1 for the best guess; coloured by its logarithm. For a decoder that is the token that comes next, for an encoder the one that stands there.",
    low: "last",
    high: "first",
    share: (cell, { vocabulary }) =>
      cell.target_rank === null
        ? null
        : 1 - Math.log(Math.max(1, cell.target_rank)) / Math.log(Math.max(2, vocabulary)),
    words: (cell) => (cell.target_rank === null ? DASH : formatNumber(cell.target_rank)),
  },
  {
    key: "kl",
    label: "KL to the end",
    about:
      "How far the guess is from the model's own: the Kullback-Leibler divergence of the final distribution from this one, in nats. 0 is the same.",
    low: "far",
    high: "the same",
    share: (cell, { furthest }) => 1 - cell.kl_to_final / Math.max(furthest, 1e-9),
    words: (cell) => `${cell.kl_to_final.toFixed(2)} nats`,
  },
];

export const lensMeasure = (key: string | null): LensMeasure =>
  LENS_MEASURES.find((item) => item.key === key) ?? LENS_MEASURES[0];

export const lensScale = (lens: Pick<Lens, "layers">, vocabulary: number): LensScale => ({
  vocabulary,
  furthest: Math.max(0, ...lens.layers.flatMap(({ positions }) => positions.map((cell) => cell.kl_to_final))),
});

/** The first row in which the final guess of a position is the best guess; null for a position without one. */
export function firstRight(layers: LensLayers, position: number): number | null {
  const final = layers.at(-1)?.positions[position]?.top[0]?.id;
  if (final === undefined) return null;
  const found = layers.findIndex(({ positions }) => positions[position]?.top[0]?.id === final);
  return found < 0 ? null : found;
}

/** Whether the final guess stays the best one from its first row on. */
export function staysRight(layers: LensLayers, position: number): boolean {
  const first = firstRight(layers, position);
  const final = layers.at(-1)?.positions[position]?.top[0]?.id;
  return (
    first !== null && layers.slice(first).every(({ positions }) => positions[position]?.top[0]?.id === final)
  );
}

export interface Answer {
  id: number;
  text: string;
  note: string;
}

/** The true token of a position: the one that comes next, for an encoder the one that stands there. */
export const trueToken = (
  tokens: Lens["tokens"],
  position: number,
  encoder: boolean,
): Lens["tokens"][number] | undefined => tokens[encoder ? position : position + 1];

/** Tokens that one may ask about at a position: the final guesses, and the true one. */
export function answersAt(
  lens: Pick<Lens, "layers" | "tokens">,
  position: number,
  encoder = false,
): Answer[] {
  const guesses = lens.layers.at(-1)?.positions[position]?.top ?? [];
  const answers: Answer[] = guesses.map(({ id, text, probability }) => ({
    id,
    text,
    note: percent(probability),
  }));
  const next = trueToken(lens.tokens, position, encoder);
  if (next && !answers.some(({ id }) => id === next.id)) {
    answers.push({ id: next.id, text: next.text, note: encoder ? "stands there" : "comes next" });
  }
  return answers;
}

export type Component = Attribution["components"][number];

/** Tells the components apart: the heads of a layer share a name. */
export const componentKey = ({ name, head }: Pick<Component, "name" | "head">): string =>
  head === null ? name : `${name}.${head}`;

/** The components that say most, the largest first, and the sum of those that are left out. */
export function strongest(
  components: readonly Component[],
  count: number,
): { shown: Component[]; others: { count: number; value: number } | null } {
  const sorted = [...components].sort((a, b) => Math.abs(b.value) - Math.abs(a.value));
  const shown = sorted.slice(0, count);
  const left = sorted.slice(count);
  return {
    shown,
    others: left.length
      ? { count: left.length, value: left.reduce((sum, component) => sum + component.value, 0) }
      : null,
  };
}

export const signed = (value: number, digits = 2): string =>
  `${value > 0 ? "+" : ""}${value.toFixed(digits)}`.replace(/^[+-](0\.?0*)$/, "$1");

const quoted = (value: string | number | null): string =>
  typeof value === "number" ? String(value) : `"${(value ?? "").replaceAll('"', '""')}"`;
export const toCsv = (rows: readonly (readonly (string | number | null)[])[]): string =>
  rows.map((row) => row.map(quoted).join(",")).join("\n") + "\n";

/** Every cell of the lens, a line for each. */
export const lensCsv = (lens: Pick<Lens, "layers" | "tokens">): string =>
  toCsv([
    [
      "layer",
      "position",
      "token",
      "guess",
      "guess_id",
      "probability",
      "entropy",
      "next_token_rank",
      "next_token_probability",
      "kl_to_final",
    ],
    ...lens.layers.flatMap(({ name, positions }) =>
      positions.map((cell, position) => [
        name,
        position,
        lens.tokens[position]?.text ?? "",
        cell.top[0]?.text ?? "",
        cell.top[0]?.id ?? null,
        cell.top[0]?.probability ?? null,
        cell.entropy,
        cell.target_rank,
        cell.target_probability,
        cell.kl_to_final,
      ]),
    ),
  ]);

export const attributionCsv = (attribution: Attribution): string =>
  toCsv([
    ["component", "layer", "head", "value"],
    ...attribution.components.map(({ name, layer, head, value }) => [name, layer, head, value]),
    ["rest", null, null, attribution.rest],
  ]);

/** A token as it is written on the page: with signs for what cannot be seen; parts of characters with their id. */
export const tokenWords = (text: string, id?: number): string =>
  text === ""
    ? "(empty)"
    : id !== undefined && text.includes("\ufffd")
      ? `${visible(text)} [${id}]`
      : visible(text);
