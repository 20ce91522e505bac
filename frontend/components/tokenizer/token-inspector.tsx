"use client";

import { ChevronLeft, ChevronRight } from "lucide-react";
import type { ReactNode } from "react";

import { CopyButton } from "@/components/copy-button";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { formatNumber } from "@/lib/format";
import { type Painted, spacedHex, visible } from "@/lib/tokenizer-text";
import type { Inspection } from "@/lib/tokenizer-types";
import { cn } from "@/lib/utils";

import { MergeTree } from "./merge-tree";

/** Everything that is known about one token: what it is, where it stands, and how merging came to it. */
export function TokenInspector({
  inspection,
  index,
  painted,
  onMove,
}: {
  inspection: Inspection;
  index: number;
  /** What the token is painted as. */
  painted: Painted | undefined;
  onMove: (index: number) => void;
}) {
  const token = inspection.tokens[index];
  if (!token) return null;
  const piece = token.piece === null ? null : (inspection.pieces[token.piece] ?? null);
  const own = placeInPiece(inspection, index);
  const hue = painted?.hue ?? 0;
  const shade = painted?.shades[index - painted.first] ?? false;
  const range = (start: number, end: number) =>
    end - start === 1 ? formatNumber(start) : `${formatNumber(start)} to ${formatNumber(end - 1)}`;
  return (
    <div className="flex min-w-0 flex-col gap-4">
      <div className="flex items-start gap-2">
        <div
          dir="auto"
          className={cn(
            "tok min-h-11 min-w-0 flex-1 rounded-lg! px-3! py-2! font-mono text-lg break-all whitespace-pre-wrap!",
            `hue-${hue}`,
            shade && "shade",
            token.special && "special",
          )}
        >
          {token.partial ? spacedHex(token.bytes) : visible(token.text) || "nothing"}
        </div>
        <div className="flex shrink-0 items-center">
          <Button
            look="ghost"
            size="icon"
            aria-label="Token before"
            disabled={index === 0}
            onClick={() => onMove(index - 1)}
          >
            <ChevronLeft />
          </Button>
          <Button
            look="ghost"
            size="icon"
            aria-label="Next token"
            disabled={index === inspection.tokens.length - 1}
            onClick={() => onMove(index + 1)}
          >
            <ChevronRight />
          </Button>
        </div>
      </div>
      {token.special || token.partial ? (
        <div className="-mt-2 flex flex-wrap items-center gap-1.5">
          {token.special ? <Badge tone="accent">Special token</Badge> : null}
          {token.partial ? (
            <Badge tone="warn">Part of {painted?.whole ? visible(painted.whole) : "a character"}</Badge>
          ) : null}
        </div>
      ) : null}
      <dl className="grid grid-cols-2 gap-x-4 gap-y-3 text-sm">
        <Fact name="Id">
          {token.id}
          <CopyButton text={String(token.id)} label="Copy the id" iconOnly />
        </Fact>
        <Fact name={token.bytes.length === 2 ? "Byte" : "Bytes"}>
          <span className="min-w-0 break-words">{spacedHex(token.bytes)}</span>
        </Fact>
        <Fact name={token.end - token.start === 1 ? "At character" : "At characters"}>
          {range(token.start, token.end)}
        </Fact>
        <Fact name={token.byte_end - token.byte_start === 1 ? "At byte" : "At bytes"}>
          {range(token.byte_start, token.byte_end)}
        </Fact>
      </dl>
      {piece ? (
        <div className="flex flex-col gap-3 border-t pt-4">
          <div>
            <h3 className="text-sm font-semibold">How merging came to it</h3>
            <p className="mt-0.5 text-sm text-pretty text-muted">
              The {inspection.pattern ? <span className="font-mono">{inspection.pattern}</span> : "splitting"}{" "}
              pattern cut out the piece{" "}
              <span dir="auto" className="rounded-sm bg-surface-2 px-1 font-mono break-all text-foreground">
                {visible(piece.text)}
              </span>
              {piece.branch ? ` by its branch for ${piece.branch}` : ""}; merges never cross its ends.
            </p>
          </div>
          <MergeTree key={token.piece} piece={piece} hue={hue} own={own} />
        </div>
      ) : (
        <p className="border-t pt-4 text-sm text-pretty text-muted">
          {token.special
            ? "A special token is found in the text before anything is cut or merged."
            : "This tokenizer does not tell how it came to its tokens."}
        </p>
      )}
    </div>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div className="min-w-0">
      <dt className="text-xs text-muted">{name}</dt>
      <dd className="flex min-h-8 items-center gap-1 font-mono figures">{children}</dd>
    </div>
  );
}

/** Which of its piece's tokens a token is. */
export function placeInPiece({ tokens }: Inspection, index: number): number | null {
  if (tokens[index]?.piece === null) return null;
  let at = index;
  while (at > 0 && !tokens[at]!.begins) at -= 1;
  return index - at;
}
