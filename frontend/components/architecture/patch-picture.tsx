"use client";

import "./lens.css";

import { type KeyboardEvent, useRef, useState } from "react";

import { Info } from "@/components/tokenizer/info";
import { Card, CardHeader } from "@/components/ui/card";
import { Field, Select } from "@/components/ui/field";
import { Choice } from "@/components/ui/toggle-group";
import type { Intervention, LabModel, LabToken, PatchPart } from "@/lib/architecture-types";
import { formatNumber } from "@/lib/format";
import { tokenWords } from "@/lib/lens-view";
import { partWords, PATCH_KINDS, type PatchKind, samePart } from "@/lib/patch-edits";
import { cn } from "@/lib/utils";

const EVERY = "every";
const MOST_ROOMY = 6; // so many heads have room for words
const MOST_EASY = 8; // and so many for wide boxes

const chipWords = (part: PatchPart, head?: number): [short: string, long: string] =>
  part === "head"
    ? [formatNumber(head ?? 0), `Head ${formatNumber(head ?? 0)}`]
    : part === "ffn"
      ? ["FFN", "Feed-forward"]
      : ["All", "All heads"];

function Short({ words: [short, long], roomy }: { words: [string, string]; roomy: boolean }) {
  if (!roomy) return short;
  return (
    <>
      <span className="sm:hidden">{short}</span>
      <span className="max-sm:hidden">{long}</span>
    </>
  );
}

/** The model as a picture that one clicks on: each part takes the change that is chosen above it. */
export function PatchPicture({
  model,
  tokens,
  edits,
  hasOther,
  onToggle,
}: {
  model: LabModel;
  tokens: readonly LabToken[];
  edits: readonly Intervention[];
  hasOther: boolean;
  onToggle: (edit: Intervention) => void;
}) {
  const [kind, setKind] = useState<PatchKind>("zero");
  const [at, setAt] = useState<number | null>(null);
  const position = at !== null && at < tokens.length ? at : null;
  const chosen = PATCH_KINDS.find(({ value }) => value === kind)!;
  return (
    <Card>
      <CardHeader title="Change a part">
        <Info
          name="Changing a part"
          about="The model runs once more; where a part is chosen, its own output is replaced on the way, and everything after it computes with what was put there."
        />
      </CardHeader>
      <div className="flex flex-wrap items-end gap-x-4 gap-y-3 px-4 pt-1 sm:px-5">
        <div className="flex min-w-0 flex-col gap-1.5">
          <span className="text-sm font-medium">Put there</span>
          <Choice
            label="Put there"
            value={kind}
            onChange={setKind}
            options={PATCH_KINDS.map(({ value, label }) => ({ value, label }))}
            className="h-9"
          />
        </div>
        <Field label="At" htmlFor="patch-at">
          <Select
            id="patch-at"
            value={position ?? EVERY}
            onChange={(event) => setAt(event.target.value === EVERY ? null : Number(event.target.value))}
            className="w-40"
          >
            <option value={EVERY}>every token</option>
            {tokens.map((token, index) => (
              <option key={index} value={index}>
                {formatNumber(index)} {tokenWords(token.text)}
              </option>
            ))}
          </Select>
        </Field>
      </div>
      <p className="px-4 pt-2 text-sm text-pretty text-muted sm:px-5" role="status">
        {kind === "patch" && !hasOther ? "Give another text above to take values from." : chosen.about}
      </p>
      <Parts
        model={model}
        edits={edits}
        position={position}
        onPart={(part, layer, head) => {
          if (kind === "patch" && !hasOther) return;
          onToggle({ kind, part, layer, ...(head === undefined ? {} : { head }), position });
        }}
      />
    </Card>
  );
}

/** Boxes of a layer from left to right: what it reads, all heads, each head, the feed-forward part. */
function Parts({
  model,
  edits,
  position,
  onPart,
}: {
  model: LabModel;
  edits: readonly Intervention[];
  position: number | null;
  onPart: (part: PatchPart, layer: number, head?: number) => void;
}) {
  const box = useRef<HTMLDivElement>(null);
  const roomy = model.heads <= MOST_ROOMY;
  const [focus, setFocus] = useState<readonly [number, number]>([0, 2]);
  const parts: { part: PatchPart; head?: number }[] = [
    { part: "residual" },
    { part: "attention" },
    ...Array.from({ length: model.heads }, (_, head) => ({ part: "head" as const, head })),
    { part: "ffn" },
  ];
  const onKey = (event: KeyboardEvent) => {
    const [row, column] = focus;
    const steps: Record<string, readonly [number, number]> = {
      ArrowRight: [row, column + 1],
      ArrowLeft: [row, column - 1],
      ArrowDown: [row + 1, column],
      ArrowUp: [row - 1, column],
      Home: [row, 0],
      End: [row, parts.length - 1],
    };
    const to = steps[event.key];
    if (!to || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const next = [
      Math.min(model.layers - 1, Math.max(0, to[0])),
      Math.min(parts.length - 1, Math.max(0, to[1])),
    ] as const;
    setFocus(next);
    box.current?.querySelector<HTMLElement>(`[data-at="${next[0]}.${next[1]}"]`)?.focus();
  };
  const chip = (layer: number, column: number) => {
    const { part, head } = parts[column]!;
    const target = { part, layer, head };
    const own = edits.filter(
      (item) => item.part === part && item.layer === layer && (item.head ?? null) === (head ?? null),
    );
    const here = own.find((item) => samePart(item, { ...target, position, kind: item.kind })) ?? own[0];
    const known = here ? PATCH_KINDS.find(({ value }) => value === here.kind) : undefined;
    const title = partWords(target);
    return (
      <button
        key={column}
        type="button"
        data-at={`${layer}.${column}`}
        data-kind={here?.kind}
        tabIndex={focus[0] === layer && focus[1] === column ? 0 : -1}
        aria-pressed={own.length > 0}
        title={title}
        onFocus={() => setFocus([layer, column])}
        onClick={() => onPart(part, layer, head)}
        className={cn("part-chip", part === "residual" && "stream", part === "head" && "round")}
      >
        <span className="sr-only">{known ? `${title}: ${known.label.toLowerCase()}` : title}</span>
        <span aria-hidden>
          {known ? (
            <>
              {known.sign}
              {here?.position !== null && here?.position !== undefined ? <sub>{here.position}</sub> : null}
            </>
          ) : part === "residual" ? null : (
            <Short words={chipWords(part, head)} roomy={roomy} />
          )}
        </span>
      </button>
    );
  };
  return (
    <div className="overflow-x-auto px-4 pt-3 pb-4 sm:px-5">
      <div
        ref={box}
        role="group"
        aria-label="Parts of the model"
        aria-describedby="patch-parts-help"
        className={cn("part-grid", roomy ? "roomy" : model.heads > MOST_EASY && "tight")}
        onKeyDown={onKey}
      >
        <p id="patch-parts-help" className="sr-only">
          A row is a layer: the residual stream that it reads, its attention as a whole, each of its heads,
          its feed-forward part. The arrow keys go from part to part, Enter changes one.
        </p>
        <div aria-hidden className="part-row part-end text-xs text-muted">
          <span className="part-layer" />
          <span className="part-stream line from" />
          <span className="part-heads">embeddings</span>
        </div>
        {Array.from({ length: model.layers }, (_, layer) => (
          <div key={layer} className="part-row wired">
            <span aria-hidden className="part-layer text-xs text-muted">
              {layer}
            </span>
            <span className="part-stream line">{chip(layer, 0)}</span>
            <span className="part-heads">
              {chip(layer, 1)}
              {parts.slice(2, -1).map((_, head) => chip(layer, head + 2))}
            </span>
            <span className="part-ffn">{chip(layer, parts.length - 1)}</span>
          </div>
        ))}
        <div aria-hidden className="part-row part-end text-xs text-muted">
          <span className="part-layer" />
          <span className="part-stream line to" />
          <span className="part-heads">final norm and head</span>
        </div>
      </div>
    </div>
  );
}
