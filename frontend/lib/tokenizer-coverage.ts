/** The figures of coverage: their names, formulas and words. */

import { DASH, formatPercent } from "./format";
import type { Figures } from "./tokenizer-types";

export type CoverageKey =
  | "bytes_per_token"
  | "tokens_per_word"
  | "single_token_word_share"
  | "byte_fallback_rate"
  | "renyi_efficiency";

export interface CoverageFigure {
  key: CoverageKey & keyof Figures;
  name: string;
  /** The formula in words. */
  about: string;
  /** Which way is good. */
  better: string;
}

export const COVERAGE_FIGURES: readonly CoverageFigure[] = [
  {
    key: "bytes_per_token",
    name: "Bytes per token",
    about: "UTF-8 bytes of the text divided by its tokens.",
    better:
      "More is better: the text is shorter for the model. Compare within a script only, as scripts differ in bytes per letter.",
  },
  {
    key: "tokens_per_word",
    name: "Tokens per word",
    about:
      "Tokens divided by words (fertility). A word is a run of letters and marks of one script; scripts without spaces have long ones.",
    better: "Less is better; 1 is a token for each word.",
  },
  {
    key: "single_token_word_share",
    name: "Words in one token",
    about: "Words that lie whole in one token, whatever else it holds, divided by all words.",
    better: "More is better: the model meets words, not splinters.",
  },
  {
    key: "byte_fallback_rate",
    name: "Broken characters",
    about: "Tokens that hold only a part of a character, divided by all tokens (byte-fallback rate).",
    better: "Less is better: a script that the vocabulary does not know is written byte by byte.",
  },
  {
    key: "renyi_efficiency",
    name: "Rényi efficiency",
    about:
      "H₂.₅(p) / log V: the Rényi entropy of order 2.5 of the tokens' shares p, divided by its greatest value for V tokens (Zouhar et al. 2023).",
    better: "More is better: the vocabulary is used evenly. Compare tokenizers on the same text only.",
  },
];

const SHARES: readonly CoverageKey[] = ["single_token_word_share", "byte_fallback_rate"];

/** A figure in words. */
export function figureWords(key: CoverageKey, value: number | null): string {
  if (value === null) return DASH;
  return SHARES.includes(key) ? formatPercent(value) : value.toFixed(2);
}

/** Where the bars end: at the greatest value, or just beyond. */
export const scaleOf = (values: readonly (number | null)[]): number =>
  Math.max(...values.map((value) => value ?? 0)) || 1;
