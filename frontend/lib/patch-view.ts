/** What patching shows: the guesses before and after side by side, and the cells of a sweep. */

import type { LabToken, Patched, PatchPart, Sweep } from "./architecture-types";
import { toCsv } from "./lens-view";

export interface GuessPair {
  id: number;
  text: string;
  /** Null where the token is not among the listed guesses of that run. */
  before: number | null;
  after: number | null;
}

/** The guesses of both runs, the likeliest of either first. */
export function guessPairs(patched: Pick<Patched, "before" | "after">, count = 8): GuessPair[] {
  const pairs = new Map<number, GuessPair>();
  for (const side of ["before", "after"] as const) {
    for (const { id, text, probability } of patched[side]) {
      const pair = pairs.get(id) ?? { id, text, before: null, after: null };
      pair[side] = probability;
      pairs.set(id, pair);
    }
  }
  const most = (pair: GuessPair) => Math.max(pair.before ?? 0, pair.after ?? 0);
  return [...pairs.values()].sort((a, b) => most(b) - most(a)).slice(0, count);
}

/** The least probability that a list still shows: what is not in it has at most this. */
export const leastShown = (guesses: readonly { probability: number }[]): number =>
  guesses.reduce((least, { probability }) => Math.min(least, probability), 1);

/** Places at which two texts of the same length have another token. */
export function differences(
  tokens: readonly Pick<LabToken, "id">[],
  others: readonly Pick<LabToken, "id">[] | null,
): ReadonlySet<number> {
  if (!others || others.length !== tokens.length) return new Set();
  return new Set(tokens.flatMap((token, at) => (token.id === others[at]!.id ? [] : [at])));
}

/** The cell that brings most of the other answer back. */
export function strongestCell(
  values: readonly (readonly (number | null)[])[],
): [row: number, column: number] | null {
  let found: [number, number] | null = null;
  values.forEach((row, atRow) =>
    row.forEach((value, atColumn) => {
      if (value !== null && (!found || value > (values[found[0]]![found[1]] ?? -Infinity))) {
        found = [atRow, atColumn];
      }
    }),
  );
  return found;
}

const LIGHT_WORK = 5e10;

/** Forward passes of a sweep. */
export const sweepPasses = (layers: number, heads: number, tokens: number, part: PatchPart): number =>
  layers * (part === "head" ? heads : tokens);

/** Whether a sweep is so short that it may run unasked: a second or two on a small machine. */
export const isLightSweep = (parameters: number, tokens: number, passes: number): boolean =>
  parameters * tokens * passes <= LIGHT_WORK;

export const sweepCsv = (sweep: Pick<Sweep, "rows" | "columns" | "values">): string =>
  toCsv([["", ...sweep.columns], ...sweep.rows.map((row, at) => [row, ...(sweep.values[at] ?? [])])]);
