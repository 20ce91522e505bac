/** Words for the patterns that heads are labelled with. */

import type { HeadPattern } from "./architecture-types";

interface Words {
  title: string;
  /** One word, under a picture. */
  word: string;
  /** A few letters, under a small one. */
  short: string;
}

const WORDS: Record<string, Words> = {
  diagonal: { title: "Itself", word: "Itself", short: "self" },
  previous_token: { title: "Previous token", word: "Previous", short: "prev" },
  next_token: { title: "Next token", word: "Next", short: "next" },
  first_token: { title: "First token", word: "First", short: "first" },
  uniform: { title: "Uniform", word: "Uniform", short: "even" },
  induction: { title: "Induction", word: "Induction", short: "induc" },
  prefix_matching: { title: "Prefix matching", word: "Prefix", short: "prefix" },
  duplicate_token: { title: "Duplicate token", word: "Duplicate", short: "dup" },
  duplicate_in_text: { title: "Duplicate in the text", word: "Duplicate", short: "dup" },
  effective_share: { title: "Share used", word: "Share", short: "share" },
  confidence: { title: "Confidence", word: "Confidence", short: "conf" },
  mean_distance: { title: "Mean distance", word: "Distance", short: "dist" },
  mixed: { title: "Mixed", word: "Mixed", short: "mixed" },
};

/** Ends the names of scores that were measured on what is not on the first token. */
const WITHOUT_FIRST = "_without_first";

const words = (name: string): string => name.replaceAll("_", " ").trim();
const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** "Previous token" for "previous_token", "Local, 4 tokens" for "local_4", "Own sentence" for "segment_sentence". */
export function patternTitle(name: string): string {
  if (name.endsWith(WITHOUT_FIRST))
    return `${patternTitle(name.slice(0, -WITHOUT_FIRST.length))} without first`;
  const known = WORDS[name]?.title;
  if (known) return known;
  return capital(words(name.replace(/^segment_/, "own_").replace(/^local_(\d+)$/, "local, $1 tokens")));
}

const bare = (name: string): string => words(name.replace(/^segment_/, ""));

/** One word, for pictures of a usual size: "Previous", "Local 4". */
export const patternWord = (name: string): string => WORDS[name]?.word ?? capital(bare(name));

/** A few letters, for small pictures: "prev", "loc 4". */
export const shortPattern = (name: string): string =>
  WORDS[name]?.short ?? bare(name).replace("local ", "loc ").slice(0, 7);

/** How many heads have each label, most first. */
export function countLabels(patterns: readonly HeadPattern[]): { label: string; count: number }[] {
  const counts = new Map<string, number>();
  for (const { label } of patterns) counts.set(label, (counts.get(label) ?? 0) + 1);
  return [...counts]
    .map(([label, count]) => ({ label, count }))
    .sort((a, b) => b.count - a.count || a.label.localeCompare(b.label));
}

/** The names of the scores, in the order of the first head; measured without the first token where that is asked. */
export function scoreNames(patterns: readonly HeadPattern[], withoutFirst = false): string[] {
  const all = Object.keys(patterns[0]?.scores ?? {});
  const plain = all.filter((name) => !name.endsWith(WITHOUT_FIRST));
  return withoutFirst
    ? plain.map((name) => (all.includes(name + WITHOUT_FIRST) ? name + WITHOUT_FIRST : name))
    : plain;
}

/** Heads that look at what the text says are worth more than those that look at a fixed place. */
const TELLING = [
  "induction",
  "prefix_matching",
  "duplicate_token",
  "duplicate_in_text",
  "previous_token",
  "diagonal",
];

/** The head to open first: the clearest of the most telling label that there is, else the surest of all. */
export function firstHead(patterns: readonly HeadPattern[]): { layer: number; head: number } {
  const best = (some: readonly HeadPattern[], value: (pattern: HeadPattern) => number) =>
    some.reduce<HeadPattern | null>((most, next) => (most && value(most) >= value(next) ? most : next), null);
  for (const label of TELLING) {
    const found = best(
      patterns.filter((pattern) => pattern.label === label),
      ({ score }) => score,
    );
    if (found) return { layer: found.layer, head: found.head };
  }
  const surest = best(patterns, ({ scores }) => scores.confidence ?? 0);
  return { layer: surest?.layer ?? 0, head: surest?.head ?? 0 };
}

/** Label of a head that no pattern describes; it has no score of its own. */
export const MIXED = "mixed";

/** "0.93", and nothing for a head without a pattern. */
export const scoreText = ({ label, score }: Pick<HeadPattern, "label" | "score">): string =>
  label === MIXED ? "" : score.toFixed(2);

/** The scores of all heads as a table. */
export function scoresCsv(patterns: readonly HeadPattern[]): string {
  const names = Object.keys(patterns[0]?.scores ?? {});
  const lines = patterns.map((pattern) =>
    [
      pattern.layer,
      pattern.head,
      pattern.label,
      pattern.score.toFixed(4),
      ...names.map((name) => pattern.scores[name]?.toFixed(4) ?? ""),
    ].join(","),
  );
  return `${[["layer", "head", "label", "score", ...names].join(","), ...lines].join("\n")}\n`;
}
