"use client";

import { useMemo, useState } from "react";

import { Card, CardHeader } from "@/components/ui/card";
import { Dialog, SheetContent } from "@/components/ui/dialog";
import { Skeleton } from "@/components/ui/skeleton";
import { Empty, Failure } from "@/components/ui/states";
import { Choice } from "@/components/ui/toggle-group";
import { DASH, formatNumber } from "@/lib/format";
import { useInspection, useRested } from "@/lib/tokenizer-queries";
import { paint, type Painted, Places } from "@/lib/tokenizer-text";
import type { Inspection, TokenizerInfo } from "@/lib/tokenizer-types";
import { withQuery } from "@/lib/utils";

import { CopyLater } from "./copy-later";
import { FigureRow } from "./figure-row";
import { Info } from "./info";
import type { LabProps } from "./lab";
import { Switch } from "./switch";
import { TextBox } from "./text-box";
import { TokenInspector } from "./token-inspector";
import { TokenText } from "./token-text";
import { TokenizerSelect } from "./tokenizer-select";
import { useWide } from "./use-wide";

const REST_MS = 120;
const LONGEST_LINK = 2000;

/** The token to open first: one of the piece with the most merges, where the most is to be seen. */
export function firstToken({ tokens, pieces }: Inspection): number | null {
  if (!tokens.length) return null;
  let best = 0;
  for (const [index, piece] of pieces.entries()) {
    if (piece.merges.length > (pieces[best]?.merges.length ?? 0) && piece.symbols.length < 24) best = index;
  }
  return Math.max(
    0,
    tokens.findIndex((token) => token.piece === best),
  );
}

export function InspectTab({ text, onText, tokenizers, current, onQuery }: LabProps) {
  const wide = useWide();
  const [special, setSpecial] = useState(false);
  const [signs, setSigns] = useState(true);
  const [view, setView] = useState<"text" | "ids">("text");
  const [picked, setPicked] = useState<{ of: Inspection; index: number } | null>(null);
  const [peeked, setPeeked] = useState<number | null>(null);
  const rested = useRested(text, REST_MS);
  const answer = useInspection(current.id, rested, special);
  const shown = rested === "" ? undefined : answer.data;
  const inspection = shown?.inspection ?? null;
  const painted = useMemo(
    () => (shown && inspection ? paint(inspection.tokens, new Places(shown.text)) : []),
    [shown, inspection],
  );
  const own = picked && picked.of === inspection ? picked.index : null;
  const pinned = own ?? (wide && inspection ? firstToken(inspection) : null);
  const open = wide ? (peeked ?? pinned) : own;
  const pick = (index: number) => {
    setPeeked(null); // the keyboard goes on although the pointer rests on a token
    if (inspection) setPicked({ of: inspection, index });
  };
  const inspector =
    inspection && open !== null && open < inspection.tokens.length ? (
      <TokenInspector inspection={inspection} index={open} painted={paintedAt(painted, open)} onMove={pick} />
    ) : null;

  return (
    <div className="grid items-start gap-4 lg:grid-cols-12">
      <div className="flex min-w-0 flex-col gap-4 lg:col-span-7">
        <Card className="p-4 pt-3 sm:px-5">
          <TextBox id="text" label="Text" value={text} onChange={onText} rows={4}>
            <TokenizerSelect
              id="tokenizer"
              label="Tokenizer"
              value={current.id}
              tokenizers={tokenizers}
              onChange={(id) => onQuery({ tokenizer: id })}
              className="w-52"
            />
          </TextBox>
          <About tokenizer={current} />
        </Card>
        <Card className="overflow-hidden">
          <FigureRow className="grid-cols-2 border-b sm:grid-cols-4" figures={figuresOf(shown, text)} />
          <div className="flex flex-wrap items-center gap-x-4 gap-y-2 px-4 pt-3 sm:px-5">
            <Choice
              label="What to show"
              value={view}
              onChange={setView}
              options={[
                { value: "text", label: "Text" },
                { value: "ids", label: "Ids" },
              ]}
            />
            <Switch label="White space" checked={signs} onChange={setSigns} disabled={view === "ids"} />
            <Switch
              label="Special tokens"
              checked={special}
              onChange={setSpecial}
              about={
                current.special_tokens.length
                  ? `Recognise ${current.special_tokens.join(" ")} in the text. Off, they are ordinary text, as in what a user typed.`
                  : "This tokenizer has no special tokens."
              }
            />
          </div>
          <div className="px-4 pt-2 pb-4 sm:px-5">
            {answer.isError ? (
              <Failure
                what="The text could not be encoded."
                error={answer.error}
                retry={() => void answer.refetch()}
              />
            ) : rested === "" ? (
              <Empty title="No text yet" className="py-8">
                Type above, or begin with one of the examples.
              </Empty>
            ) : shown && inspection ? (
              <TokenText
                label="Tokens"
                text={shown.text}
                tokens={inspection.tokens}
                ids={view === "ids"}
                signs={signs}
                active={open}
                onPeek={wide ? setPeeked : undefined}
                onPick={pick}
                className="max-h-[46vh] min-h-24 overflow-y-auto py-1 pr-1"
              />
            ) : (
              <div className="flex flex-col gap-2 py-2">
                <Skeleton className="h-6 w-11/12" />
                <Skeleton className="h-6 w-full" />
                <Skeleton className="h-6 w-1/2" />
              </div>
            )}
          </div>
          {shown && inspection ? (
            <div className="flex flex-wrap items-center gap-x-4 gap-y-2.5 border-t px-4 py-3 sm:px-5">
              <p className="min-w-48 flex-1 text-xs text-pretty text-muted">
                {inspection.pieces.length
                  ? "A colour is one piece that the pattern cut; its shades are the tokens in it."
                  : "Colours only part the tokens."}
              </p>
              <div className="flex flex-wrap items-center gap-2">
                <CopyLater label="Copy ids" make={() => JSON.stringify(shown.ids)} />
                <CopyLater label="Copy JSON" make={() => JSON.stringify(shown, null, 2)} />
                {shown.text.length <= LONGEST_LINK ? (
                  <CopyLater label="Copy link" make={() => linkTo(current.id, shown.text)} />
                ) : null}
              </div>
            </div>
          ) : null}
        </Card>
      </div>
      {wide ? (
        <Card className="sticky top-18 max-h-[calc(100dvh-88px)] overflow-y-auto lg:col-span-5">
          <CardHeader
            title="Token"
            note={
              inspection && open !== null ? (
                <span className="figures">
                  {formatNumber(open + 1)} of {formatNumber(inspection.tokens.length)}
                </span>
              ) : undefined
            }
          >
            <Info
              name="A token"
              about="Point at a token to look at it, click to keep it, or move with the arrow keys."
            />
          </CardHeader>
          <div className="px-4 pt-2 pb-5 sm:px-5">
            {inspector ?? (
              <p className="py-8 text-center text-muted">
                {rested === "" ? "The tokens of a text are opened here." : " "}
              </p>
            )}
          </div>
        </Card>
      ) : (
        <Dialog open={inspector !== null} onOpenChange={(now) => now || setPicked(null)}>
          <SheetContent
            side="bottom"
            title="Token"
            description={
              inspection && open !== null
                ? `${formatNumber(open + 1)} of ${formatNumber(inspection.tokens.length)}`
                : undefined
            }
            className="max-h-[80dvh] gap-3 p-4 pb-6"
          >
            {inspector}
          </SheetContent>
        </Dialog>
      )}
    </div>
  );
}

/** Where a token is painted: by halving, as the painted things are in order. */
export function paintedAt(painted: readonly Painted[], index: number): Painted | undefined {
  let low = 0;
  let high = painted.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (painted[middle]!.first <= index) low = middle;
    else high = middle - 1;
  }
  return painted[low];
}

const linkTo = (tokenizer: string, text: string): string =>
  window.location.origin + withQuery("/tokenizer/", { tokenizer, text });

function About({ tokenizer }: { tokenizer: TokenizerInfo }) {
  return (
    <p className="mt-2 border-t pt-2.5 text-sm text-pretty text-muted">
      <span className="font-medium text-foreground">{tokenizer.name}</span>:{" "}
      <span className="figures">{formatNumber(tokenizer.vocab_size)}</span> tokens
      {tokenizer.pattern ? (
        <>
          , pattern <span className="font-mono text-foreground">{tokenizer.pattern}</span>
        </>
      ) : null}
      . {tokenizer.about}
    </p>
  );
}

function figuresOf(
  shown: { count: number; characters: number; bytes: number; bytes_per_token: number | null } | undefined,
  text: string,
) {
  const empty = text === "" ? 0 : null;
  return [
    { name: "Tokens", value: formatNumber(shown?.count ?? empty) },
    {
      name: "Characters",
      value: formatNumber(shown?.characters ?? empty),
      about: "Unicode code points. An emoji that is joined from several counts each of them.",
    },
    { name: "Bytes", value: formatNumber(shown?.bytes ?? empty), about: "Of the text in UTF-8." },
    {
      name: "Bytes per token",
      value: shown?.bytes_per_token ? shown.bytes_per_token.toFixed(2) : DASH,
      about: "Bytes divided by tokens. The more, the shorter the text is for the model.",
      missing: "There are no tokens.",
    },
  ];
}
