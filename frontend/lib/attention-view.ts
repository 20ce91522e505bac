/** The arithmetic of attention pictures: windows, cells, scales, and what is written into files. */

import type { LabToken, MapKind } from "./architecture-types";
import { visible } from "./tokenizer-text";

/** Tokens [from, to). */
export interface Span {
  from: number;
  to: number;
}

/** The part of the map that is seen; a square of tokens unless the text is shorter. */
export interface View {
  rows: Span;
  columns: Span;
}

/** A map of this many tokens travels and is drawn whole; of a longer text only the part that is looked at. */
export const WHOLE = 192;
const CLOSEST = 8;

export const sizeOf = ({ from, to }: Span): number => to - from;

/** `size` tokens around a middle, pushed inside [0, count). */
export function spanAround(middle: number, size: number, count: number): Span {
  const length = Math.min(count, Math.max(1, Math.round(size)));
  const from = Math.min(count - length, Math.max(0, Math.round(middle - length / 2)));
  return { from, to: from + length };
}

/** The first view: everything, or the end of a long text, where a language model's guess is made. */
export function firstView(count: number): View {
  const size = Math.min(count, WHOLE);
  const span = { from: count - size, to: count };
  return { rows: span, columns: { from: 0, to: size } };
}

/** Twice as near or as far, around a cell that keeps its place as far as it can. */
export function zoomed(
  view: View,
  factor: number,
  count: number,
  around?: { row: number; column: number },
): View {
  const size = Math.min(
    WHOLE,
    count,
    Math.max(Math.min(CLOSEST, count), Math.round(sizeOf(view.rows) / factor)),
  );
  const middle = (span: Span, at: number | undefined) => at ?? (span.from + span.to) / 2;
  return {
    rows: spanAround(middle(view.rows, around?.row), size, count),
    columns: spanAround(middle(view.columns, around?.column), size, count),
  };
}

/** The view moved as little as possible so that a cell is in it. */
export function showing(view: View, row: number, column: number): View {
  const shift = (span: Span, at: number): Span => {
    if (at < span.from) return { from: at, to: at + sizeOf(span) };
    if (at >= span.to) return { from: at + 1 - sizeOf(span), to: at + 1 };
    return span;
  };
  const rows = shift(view.rows, row);
  const columns = shift(view.columns, column);
  return rows === view.rows && columns === view.columns ? view : { rows, columns };
}

/** A view as far as a text of `count` tokens has it; a view of another text begins anew. */
export function fitted(view: View | null, count: number): View {
  if (!view || view.rows.to > count || view.columns.to > count) return firstView(count);
  return view;
}

/** What is asked of the program: the whole map of a short text, else just the view. */
export const tileOf = (view: View, count: number): View =>
  count <= WHOLE ? { rows: { from: 0, to: count }, columns: { from: 0, to: count } } : view;

/** Values of a tile of a map, found by token. */
export class MapValues {
  constructor(
    readonly values: Float32Array,
    readonly tile: View,
  ) {}

  /** A value; null outside the tile. */
  at(row: number, column: number): number | null {
    const { rows, columns } = this.tile;
    if (row < rows.from || row >= rows.to || column < columns.from || column >= columns.to) return null;
    return this.values[(row - rows.from) * sizeOf(columns) + column - columns.from] ?? null;
  }

  /** What a token looks at, by token; null where the tile does not reach or the row is not in it. */
  row(row: number, count: number): (number | null)[] {
    return Array.from({ length: count }, (_, column) => this.at(row, column));
  }

  /** By whom a token is looked at. */
  column(column: number, count: number): (number | null)[] {
    return Array.from({ length: count }, (_, row) => this.at(row, column));
  }

  /** The largest value of the part that is seen; without the first token where that is left out. */
  largest(view: View, withoutFirst: boolean): number {
    let most = 0;
    for (let row = view.rows.from; row < view.rows.to; row += 1) {
      for (
        let column = Math.max(view.columns.from, withoutFirst ? 1 : 0);
        column < view.columns.to;
        column += 1
      ) {
        const value = this.at(row, column);
        if (value !== null && value > most) most = value;
      }
    }
    return most;
  }
}

/** Where the cells of a map are drawn, in CSS pixels. */
export interface Layout {
  left: number;
  top: number;
  cell: number;
  /** Each how-manieth token has its name at the edge. */
  every: number;
}

const NAME_PX = 11;
const LARGEST_CELL = 46;

/** `longest` is the length of the longest name at the edges, in characters. */
export function layoutOf(width: number, view: View, longest: number): Layout {
  const gutter = Math.round(
    Math.min(104, Math.max(34, longest * NAME_PX * 0.6 + 14), Math.max(58, width * 0.18)),
  );
  const count = Math.max(sizeOf(view.rows), sizeOf(view.columns), 1);
  const cell = Math.min(LARGEST_CELL, (width - gutter) / count);
  return { left: gutter, top: gutter, cell, every: Math.max(1, Math.ceil(NAME_PX / cell)) };
}

/** The cell under a point, null beside the map. */
export function cellAt(
  x: number,
  y: number,
  { left, top, cell }: Layout,
  view: View,
): { row: number; column: number } | null {
  const row = view.rows.from + Math.floor((y - top) / cell);
  const column = view.columns.from + Math.floor((x - left) / cell);
  const inside =
    row >= view.rows.from && row < view.rows.to && column >= view.columns.from && column < view.columns.to;
  return inside ? { row, column } : null;
}

/** Length of the longest name of tokens in sight. */
export const longestName = (tokens: readonly LabToken[], view: View): number =>
  [view.rows, view.columns].reduce(
    (most, { from, to }) =>
      tokens
        .slice(from, to)
        .reduce((longest, { text }) => Math.max(longest, shortName(text, 14).length), most),
    1,
  );

/** The strongest few of some values, strongest first. */
export function strongest(
  values: readonly (number | null)[],
  count: number,
  floor: number,
): { index: number; value: number }[] {
  return values
    .flatMap((value, index) => (value !== null && value >= floor ? [{ index, value }] : []))
    .sort((a, b) => b.value - a.value)
    .slice(0, count);
}

/** A token's name on an axis: no longer than fits, with signs for white space. */
export function shortName(text: string, most = 10): string {
  const signs = Array.from(visible(text));
  return signs.length > most ? `${signs.slice(0, most - 1).join("")}…` : signs.join("");
}

const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`;

/** A part of a map as a table: a row for each token that looks, a column for each that is looked at. */
export function mapCsv(tokens: readonly LabToken[], values: MapValues, view: View): string {
  const names = (span: Span) =>
    Array.from({ length: sizeOf(span) }, (_, at) => {
      const index = span.from + at;
      return quoted(`${index} ${tokens[index]?.text ?? ""}`);
    });
  const head = ["token", ...names(view.columns)].join(",");
  const lines = names(view.rows).map((name, at) => {
    const row = view.rows.from + at;
    const cells = Array.from({ length: sizeOf(view.columns) }, (_, place) => {
      const value = values.at(row, view.columns.from + place);
      return value === null ? "" : String(Number(value.toPrecision(4)));
    });
    return [name, ...cells].join(",");
  });
  return `${[head, ...lines].join("\n")}\n`;
}

export const KINDS: readonly { value: MapKind; label: string; about: string }[] = [
  {
    value: "weights",
    label: "Weights",
    about: "softmax(q·k / √d): how each token shares its attention out. Every row sums to one.",
  },
  {
    value: "value_weighted",
    label: "Value-weighted",
    about:
      "Each weight times the length of what it moves, ‖A[i,j] · v[j] W_O‖ (Kobayashi et al. 2020). A sink takes weight but moves little, so it fades here.",
  },
  {
    value: "rollout",
    label: "Rollout",
    about:
      "Mean of the heads with the residual path added, (A + I) / 2, multiplied through all layers up to this one (Abnar and Zuidema 2020): what reaches a place from which token.",
  },
];

/** A weight with as many digits as say something. */
export function formatWeight(value: number | null): string {
  if (value === null || Number.isNaN(value)) return "–";
  if (value === 0) return "0";
  return value < 0.001 ? value.toExponential(1) : value.toFixed(3);
}
