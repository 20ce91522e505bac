/** Interventions: how they are written in the address, named, put in and taken out. */

import type { Intervention, PatchPart } from "./architecture-types";
import { formatNumber } from "./format";

export type PatchKind = Intervention["kind"];

export const PATCH_KINDS: readonly { value: PatchKind; label: string; sign: string; about: string }[] = [
  { value: "zero", label: "Zero", sign: "∅", about: "Put zero in its place." },
  {
    value: "mean",
    label: "Mean",
    sign: "x̄",
    about:
      "Put its mean over the tokens of this text in its place: what it always says stays, what it says here goes.",
  },
  {
    value: "patch",
    label: "From the other text",
    sign: "⇄",
    about: "Put in its place what the same part computes for the other text, token by token.",
  },
];

export const PATCH_PARTS: readonly { value: PatchPart; label: string; about: string }[] = [
  {
    value: "residual",
    label: "Residual stream",
    about: "All that the layer reads: the sum of everything before it.",
  },
  { value: "head", label: "Heads", about: "One attention head's part of the attention's output." },
  { value: "attention", label: "Attention", about: "What all heads of a layer add together." },
  { value: "ffn", label: "Feed-forward", about: "What the feed-forward part of a layer adds." },
];

const PARTS = new Set<string>(PATCH_PARTS.map(({ value }) => value));
const KINDS = new Set<string>(PATCH_KINDS.map(({ value }) => value));

/** "zero-head-2.0" or, at one token only, "patch-residual-1@20"; joined by commas. */
export const writeEdits = (edits: readonly Intervention[]): string | null =>
  edits.length
    ? edits
        .map(
          ({ kind, part, layer, head, position }) =>
            `${kind}-${part}-${layer}${part === "head" ? `.${head ?? 0}` : ""}${position === null || position === undefined ? "" : `@${position}`}`,
        )
        .join(",")
    : null;

/** Reads what `writeEdits` wrote, as far as this model has such layers and heads. */
export function readEdits(text: string | null, model: { layers: number; heads: number }): Intervention[] {
  const edits: Intervention[] = [];
  for (const item of (text ?? "").split(",")) {
    const found = /^([a-z]+)-([a-z]+)-(\d+)(?:\.(\d+))?(?:@(\d+))?$/.exec(item);
    if (!found) continue;
    const [, kind, part, layer, head, position] = found;
    if (!KINDS.has(kind!) || !PARTS.has(part!) || Number(layer) >= model.layers) continue;
    if ((part === "head") !== (head !== undefined) || Number(head ?? 0) >= model.heads) continue;
    edits.push({
      kind: kind as PatchKind,
      part: part as PatchPart,
      layer: Number(layer),
      ...(head === undefined ? {} : { head: Number(head) }),
      position: position === undefined ? null : Number(position),
    });
  }
  return edits;
}

/** Whether two interventions change the same thing, however they change it. */
export const samePart = (a: Intervention, b: Intervention): boolean =>
  a.part === b.part &&
  a.layer === b.layer &&
  (a.head ?? null) === (b.head ?? null) &&
  (a.position ?? null) === (b.position ?? null);

/** Puts an intervention in; one of the same kind at the same place is taken out instead, another kind replaced. */
export function toggleEdit(edits: readonly Intervention[], edit: Intervention): Intervention[] {
  const before = edits.find((item) => samePart(item, edit));
  const others = edits.filter((item) => !samePart(item, edit));
  return before?.kind === edit.kind ? others : [...others, edit];
}

/** "Layer 3, head 1", "Layer 2, feed-forward"; counted from 0, as in the names of tensors. */
export function partWords({ part, layer, head }: Pick<Intervention, "part" | "layer" | "head">): string {
  const name = {
    head: `head ${formatNumber(head ?? 0)}`,
    attention: "attention",
    ffn: "feed-forward",
    residual: "residual stream",
  }[part];
  return `Layer ${formatNumber(layer)}, ${name}`;
}

/** Edits that can run: those that take from the other text need one. */
export const runnable = (edits: readonly Intervention[], other: string): Intervention[] =>
  edits.filter(({ kind }) => kind !== "patch" || other !== "");
