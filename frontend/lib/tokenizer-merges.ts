/** The way from the symbols of a piece to its tokens, as a picture: symbols above, each merge below its two parts. */

import type { InspectedPiece } from "./tokenizer-types";

export interface MergeNode {
  /** Index among the nodes. */
  id: number;
  text: string;
  /** 0 for a symbol, else the merge that made it, from 1. */
  step: number;
  rank: number | null;
  /** The symbols that it spans, last included. */
  first: number;
  last: number;
  /** Row in the picture: a symbol is in row 0, a merge one below its lower part. */
  row: number;
  parts: readonly [number, number] | null;
}

export interface MergePicture {
  nodes: readonly MergeNode[];
  symbols: number;
  steps: number;
  rows: number;
  /** The nodes that are left when all is merged, in order: the tokens. */
  tokens: readonly number[];
}

/** Replays the merges of a piece; a merge that does not fit where it is said to be ends the picture. */
export function mergePicture(piece: Pick<InspectedPiece, "symbols" | "merges">): MergePicture {
  const nodes: MergeNode[] = piece.symbols.map((text, place) => ({
    id: place,
    text,
    step: 0,
    rank: null,
    first: place,
    last: place,
    row: 0,
    parts: null,
  }));
  const now = nodes.map((node) => node.id);
  let steps = 0;
  for (const merge of piece.merges) {
    const left = nodes[now[merge.place] ?? -1];
    const right = nodes[now[merge.place + 1] ?? -1];
    if (!left || !right || left.text !== merge.left || right.text !== merge.right) break;
    steps += 1;
    nodes.push({
      id: nodes.length,
      text: merge.merged,
      step: steps,
      rank: merge.rank,
      first: left.first,
      last: right.last,
      row: Math.max(left.row, right.row) + 1,
      parts: [left.id, right.id],
    });
    now.splice(merge.place, 2, nodes.length - 1);
  }
  const rows = 1 + Math.max(0, ...nodes.map((node) => node.row));
  return { nodes, symbols: piece.symbols.length, steps, rows, tokens: now };
}

/** The nodes that stand side by side after some steps, in order. */
export function symbolsAt({ nodes, tokens }: MergePicture, step: number): MergeNode[] {
  const found: MergeNode[] = [];
  const walk = (id: number): void => {
    const node = nodes[id]!;
    if (node.step <= step || !node.parts) found.push(node);
    else node.parts.forEach(walk);
  };
  tokens.forEach(walk);
  return found;
}

/** About how wide a text is in the mono font at 13 px. */
export function widthOf(text: string): number {
  let width = 0;
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    width += code > 0x1100 && code !== 0x23ce && code !== 0x21e5 ? 15 : 8;
  }
  return width;
}

const COLUMN = 24;
const GAP = 3;

export interface Placed {
  node: MergeNode;
  x: number;
  width: number;
}

/** Where each node stands from left to right, and how wide the picture is. */
export function layout(picture: MergePicture): { placed: Placed[]; width: number } {
  const widths = Array.from({ length: picture.symbols }, () => COLUMN);
  for (const node of picture.nodes) {
    const room = node.last - node.first + 1;
    const rank = node.rank === null ? 0 : 7 * node.rank.toLocaleString("en-US").length + 6;
    const need = (Math.max(widthOf(node.text) + 12, rank) - (room - 1) * GAP) / room;
    for (let at = node.first; at <= node.last; at += 1) widths[at] = Math.max(widths[at]!, Math.ceil(need));
  }
  const starts = [0];
  for (const width of widths) starts.push(starts.at(-1)! + width + GAP);
  const placed = picture.nodes.map((node) => ({
    node,
    x: starts[node.first]!,
    width: starts[node.last + 1]! - GAP - starts[node.first]!,
  }));
  return { placed, width: Math.max(0, starts.at(-1)! - GAP) };
}
