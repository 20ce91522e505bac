"use client";

import { Undo2, X } from "lucide-react";

import { CopyLater } from "@/components/tokenizer/copy-later";
import { Button } from "@/components/ui/button";
import { Card, CardHeader } from "@/components/ui/card";
import type { Intervention, LabToken } from "@/lib/architecture-types";
import { formatNumber } from "@/lib/format";
import { tokenWords } from "@/lib/lens-view";
import { partWords, PATCH_KINDS } from "@/lib/patch-edits";

/** The changes that are made, each to be taken out again. */
export function PatchEdits({
  edits,
  tokens,
  other,
  canUndo,
  link,
  onUndo,
  onRemove,
  onClear,
}: {
  edits: readonly Intervention[];
  tokens: readonly LabToken[];
  other: string;
  canUndo: boolean;
  /** The address of all that is seen here. */
  link: () => string;
  onUndo: () => void;
  onRemove: (edit: Intervention) => void;
  onClear: () => void;
}) {
  return (
    <Card>
      <CardHeader title="Changes" note={edits.length ? formatNumber(edits.length) : undefined}>
        <Button look="ghost" size="sm" disabled={!canUndo} onClick={onUndo}>
          <Undo2 aria-hidden /> Undo
        </Button>
        <Button look="ghost" size="sm" disabled={!edits.length} onClick={onClear}>
          Take all out
        </Button>
        <CopyLater label="Copy link" make={link} />
      </CardHeader>
      {edits.length ? (
        <ul aria-label="Changes" className="pb-2">
          {edits.map((edit) => {
            const kind = PATCH_KINDS.find(({ value }) => value === edit.kind)!;
            const at = edit.position ?? null;
            const waits = edit.kind === "patch" && other === "";
            return (
              <li
                key={`${edit.part}.${edit.layer}.${edit.head ?? ""}.${at ?? ""}`}
                className="flex items-center gap-2 px-4 py-0.5 text-sm sm:px-5"
              >
                <span aria-hidden className="w-5 text-center font-medium">
                  {kind.sign}
                </span>
                <span className="min-w-0 flex-1">
                  {partWords(edit)}{" "}
                  <span className="text-muted">
                    {kind.label.toLowerCase()}
                    {at === null ? "" : ` at token ${formatNumber(at)} `}
                    {at !== null && tokens[at] ? (
                      <span className="font-mono">{tokenWords(tokens[at].text)}</span>
                    ) : null}
                    {waits ? ": waits for another text" : ""}
                  </span>
                </span>
                <Button
                  look="ghost"
                  size="icon"
                  aria-label={`Take out ${partWords(edit)}`}
                  onClick={() => onRemove(edit)}
                >
                  <X />
                </Button>
              </li>
            );
          })}
        </ul>
      ) : (
        <p className="px-4 pb-4 text-sm text-pretty text-muted sm:px-5">
          Nothing is changed yet. Click a part of the picture, or a cell of the sweep.
        </p>
      )}
    </Card>
  );
}
