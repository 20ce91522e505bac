/** Which tokenizers stand side by side, and what their figures say of each other. */

export const LETTERS = ["A", "B", "C", "D", "E", "F"] as const;
export const MOST = LETTERS.length;

/** The tokenizers to compare: those the address names and that are there, filled up to two. */
export function comparedIds(wanted: string | null, known: readonly string[], current: string): string[] {
  const named = [...new Set((wanted ?? "").split(","))].filter((id) => known.includes(id)).slice(0, MOST);
  if (named.length >= 2) return named;
  const all = [...new Set([...named, current, ...known])];
  return all.slice(0, wanted ? 2 : 3);
}

/** The next one that is not there yet. */
export const nextTokenizer = (ids: readonly string[], known: readonly string[]): string | null =>
  known.find((id) => !ids.includes(id)) ?? null;

/** "fewest", or how many more than the fewest: "+38%". */
export function againstLeast(count: number, least: number): string {
  if (count === least) return "fewest";
  return least ? `+${Math.round((100 * (count - least)) / least)}%` : "";
}

/** "12%", or "none". */
export const shareOf = (part: number, whole: number): string =>
  part ? `${Math.max(1, Math.round((100 * part) / whole))}%` : "none";
