/** Architectures side by side: which ones, in which words, and as a file. */

import { inWords } from "./architecture-shape";
import type { ComparedField, Comparison } from "./architecture-types";
import { formatNumber } from "./format";

export const MOST = 6;
export const LETTERS = ["A", "B", "C", "D", "E", "F"] as const;
export const LETTER_COLOURS = [
  "--chart-1",
  "--chart-2",
  "--chart-3",
  "--chart-4",
  "--chart-5",
  "--muted",
] as const;

/** Stands for what the Configurator's part of the address says. */
export const MINE = "mine";
const USUAL = ["preset:gpt2-small", "preset:smollm2-135m", "preset:qwen3-0.6b"];

/** What is compared: what the address says, else one's own configuration (where there is one) and known models. */
export function comparedRefs(wanted: string | null, hasMine: boolean): string[] {
  const named = [...new Set((wanted ?? "").split(",").filter(Boolean))].slice(0, MOST);
  if (named.length >= 2) return named;
  const rest = [...named, ...(hasMine ? [MINE] : []), ...USUAL];
  return [...new Set(rest)].slice(0, Math.max(2, hasMine ? 3 : 2));
}

/** A setting's value in a cell of the table. */
export function cellOf(value: unknown): string {
  if (value === null || value === undefined) return "–";
  if (value === true) return "yes";
  if (value === false) return "no";
  if (typeof value === "number") {
    if (Number.isInteger(value)) return formatNumber(value);
    return Math.abs(value) < 1e-3 ? value.toExponential(0) : String(value);
  }
  if (Array.isArray(value)) return value.length ? value.join(", ") : "none";
  if (typeof value === "object") {
    const { type, factor } = value as { type?: string; factor?: number };
    return type ? `${inWords(type)}, ${factor ?? 1} times` : JSON.stringify(value);
  }
  return inWords(String(value));
}

/** "+12.4%" against the first; nothing where they are the same or the first has none. */
export function against(value: number, first: number): string {
  if (value === first) return "same";
  if (value === 0) return "none";
  if (first === 0) return "new";
  const share = value / first;
  if (share >= 3 || share <= 1 / 3) return `× ${Number(share.toPrecision(2))}`;
  return `${share > 1 ? "+" : "−"}${Math.abs(100 * (share - 1)).toFixed(1)}%`;
}

/** The fields by their groups, in the order in which they come. */
export function byGroup(
  fields: readonly ComparedField[],
  onlyDifferences: boolean,
): [string, ComparedField[]][] {
  const groups = new Map<string, ComparedField[]>();
  for (const field of fields)
    if (field.differs || !onlyDifferences)
      groups.set(field.group, [...(groups.get(field.group) ?? []), field]);
  return [...groups];
}

const quoted = (value: unknown): string => {
  const text =
    value === null || value === undefined
      ? ""
      : typeof value === "object"
        ? JSON.stringify(value)
        : String(value);
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

/** Figures, components and settings in rows, one column for each architecture. */
export function comparisonCsv(comparison: Comparison): string {
  const { items, fields, deltas } = comparison;
  const figures: [string, (place: number) => unknown][] = [
    ["parameters", (at) => items[at]!.analysis.parameters.total],
    ["operations per token, forward", (at) => items[at]!.analysis.flops.per_token_forward],
    ["operations per token, training", (at) => items[at]!.analysis.flops.per_token_training],
    ["memory to train, bytes", (at) => items[at]!.analysis.memory.total_training],
    ["memory to run, bytes", (at) => items[at]!.analysis.memory.inference],
    ["KV cache per token, bytes", (at) => items[at]!.analysis.memory.kv_cache_per_token],
  ];
  const rows: unknown[][] = [
    ["group", "name", ...items.map((item) => item.label)],
    ...figures.map(([name, of]) => ["Figures", name, ...items.map((_, place) => of(place))]),
    ...deltas.map((delta) => ["Parameters", delta.component, ...delta.parameters]),
    ...fields.map((field) => [field.group, field.field, ...field.values]),
  ];
  return rows.map((row) => row.map(quoted).join(",")).join("\n") + "\n";
}
