"use client";

import { Plus, X } from "lucide-react";
import { useMemo, useState } from "react";

import { Button } from "@/components/ui/button";
import { Card, CardHeader } from "@/components/ui/card";
import { Skeleton } from "@/components/ui/skeleton";
import { Empty, Failure } from "@/components/ui/states";
import { DASH, formatNumber } from "@/lib/format";
import { againstLeast, comparedIds, LETTERS, MOST, nextTokenizer, shareOf } from "@/lib/tokenizer-compare";
import { useComparison, useRested } from "@/lib/tokenizer-queries";
import type { ComparedText, Comparison } from "@/lib/tokenizer-types";
import { cn } from "@/lib/utils";

import { Info } from "./info";
import type { LabProps } from "./lab";
import { Switch } from "./switch";
import { TextBox } from "./text-box";
import { TokenText } from "./token-text";
import { TokenizerSelect } from "./tokenizer-select";

const COLOURS = ["--chart-1", "--chart-2", "--chart-3", "--chart-4", "--chart-5", "--muted"];

export function CompareTab({ text, onText, tokenizers, current, query, onQuery }: LabProps) {
  const [signs, setSigns] = useState(true);
  const [near, setNear] = useState<readonly [number, number] | null>(null);
  const known = [...tokenizers].sort((a, b) => Number(a.kind === "model") - Number(b.kind === "model"));
  const knownIds = known.map((item) => item.id);
  const ids = comparedIds(query.get("with"), knownIds, current.id);
  const rested = useRested(text, 120);
  const comparison = useComparison(ids, rested);
  const shown = rested === "" ? undefined : comparison.data;
  const choose = (next: readonly string[]) => onQuery({ with: next.join(",") });
  const more = nextTokenizer(ids, knownIds);

  if (tokenizers.length < 2) {
    return (
      <Card>
        <Empty title="One tokenizer has nothing to be compared with">
          Train a second one in the tab Train.
        </Empty>
      </Card>
    );
  }
  return (
    <>
      <div className="grid items-stretch gap-4 lg:grid-cols-12">
        <Card className="p-4 pt-3 sm:px-5 lg:col-span-6">
          <TextBox id="text" label="Text" value={text} onChange={onText} rows={4} />
        </Card>
        <Card className="flex flex-col lg:col-span-6">
          <CardHeader title="Tokens" note={shown ? <Totals shown={shown} /> : undefined}>
            <Info
              name="The bars"
              about="Tokens of the whole text. The fewer, the more text fits into a model's context; what matters more is whether the cuts follow the words."
            />
          </CardHeader>
          <div className="flex flex-1 flex-col justify-center gap-2.5 px-4 pt-1 pb-4 sm:px-5">
            {shown ? (
              <Bars results={shown.results} />
            ) : rested === "" ? (
              <p className="text-muted">There is no text to compare yet.</p>
            ) : comparison.isError ? null : (
              ids.map((id) => <Skeleton key={id} className="h-9" />)
            )}
          </div>
        </Card>
      </div>
      {comparison.isError ? (
        <Failure
          what="The texts could not be compared."
          error={comparison.error}
          retry={() => void comparison.refetch()}
        />
      ) : null}
      <div className="flex flex-wrap items-center gap-x-4 gap-y-2">
        <p className="text-sm text-pretty text-muted">
          <span className="font-mono text-foreground underline decoration-2 underline-offset-4">
            Underlined
          </span>
          : a token that no other one here cuts the same way. Point at a token to see its place in the others.
        </p>
        <div className="ml-auto flex items-center gap-4">
          <Switch label="White space" checked={signs} onChange={setSigns} />
          <Button
            size="sm"
            disabled={ids.length >= MOST || more === null}
            onClick={() => more && choose([...ids, more])}
          >
            <Plus aria-hidden /> Add a tokenizer
          </Button>
        </div>
      </div>
      <ul
        className={cn("grid gap-4 md:grid-cols-2", ids.length !== 2 && ids.length !== 4 && "xl:grid-cols-3")}
      >
        {ids.map((id, place) => (
          <li key={place} className="min-w-0">
            <Card className="flex h-full flex-col">
              <div className="flex items-center gap-2 border-b px-4 py-2.5">
                <Letter place={place} />
                <TokenizerSelect
                  id={`tokenizer-${place}`}
                  label={`Tokenizer ${LETTERS[place]}`}
                  value={id}
                  tokenizers={tokenizers.filter((item) => item.id === id || !ids.includes(item.id))}
                  onChange={(next) => choose(ids.map((item, at) => (at === place ? next : item)))}
                  className="min-w-0 flex-1"
                />
                <Button
                  look="ghost"
                  size="icon"
                  aria-label={`Take ${LETTERS[place]} out`}
                  disabled={ids.length <= 2}
                  onClick={() => choose(ids.filter((_, at) => at !== place))}
                >
                  <X />
                </Button>
              </div>
              <Cut
                result={shown?.results.find((item) => item.tokenizer === id)}
                text={shown?.text ?? ""}
                signs={signs}
                near={near}
                letter={LETTERS[place]!}
                empty={rested === ""}
                onNear={setNear}
              />
            </Card>
          </li>
        ))}
      </ul>
    </>
  );
}

function Letter({ place }: { place: number }) {
  return (
    <span
      aria-hidden
      className="grid size-6 shrink-0 place-items-center rounded-md border-2 text-xs font-semibold"
      style={{ borderColor: `var(${COLOURS[place]})` }}
    >
      {LETTERS[place]}
    </span>
  );
}

function Totals({ shown }: { shown: Comparison }) {
  return (
    <span className="figures">
      {formatNumber(shown.words)} words, {formatNumber(shown.characters)} characters,{" "}
      {formatNumber(shown.bytes)} bytes
    </span>
  );
}

function Bars({ results }: { results: readonly ComparedText[] }) {
  const most = Math.max(1, ...results.map((result) => result.count));
  const least = Math.min(...results.map((result) => result.count));
  return results.map((result, place) => (
    <div key={result.tokenizer} className="grid grid-cols-[24px_1fr] items-center gap-x-2.5">
      <Letter place={place} />
      <div className="min-w-0">
        <div className="flex items-baseline justify-between gap-3 text-sm">
          <span className="truncate">{result.name}</span>
          <span className="shrink-0 figures">
            <span className="font-semibold">{formatNumber(result.count)}</span>
            <span className="ml-2 inline-block w-12 text-right text-muted">
              {againstLeast(result.count, least)}
            </span>
          </span>
        </div>
        <div
          className="mt-0.5 h-2 rounded-full bg-surface-2"
          role="img"
          aria-label={`${result.name}: ${formatNumber(result.count)} tokens`}
        >
          <div
            className="h-full rounded-full"
            style={{ width: `${(100 * result.count) / most}%`, background: `var(${COLOURS[place]})` }}
          />
        </div>
      </div>
    </div>
  ));
}

function Cut({
  result,
  text,
  signs,
  near,
  letter,
  empty,
  onNear,
}: {
  result: ComparedText | undefined;
  text: string;
  signs: boolean;
  near: readonly [number, number] | null;
  letter: string;
  empty: boolean;
  onNear: (near: readonly [number, number] | null) => void;
}) {
  const [picked, setPicked] = useState<number | null>(null);
  const marked = useMemo(() => new Set(result?.only_here), [result]);
  if (!result) {
    return (
      <div className="flex flex-col gap-2 p-4">
        {empty ? (
          <p className="text-muted">The tokens of a text stand here.</p>
        ) : (
          <Skeleton className="h-24" />
        )}
      </div>
    );
  }
  const light = (index: number | null) => {
    const token = index === null ? undefined : result.tokens[index];
    onNear(token ? [token.start, token.end] : null);
  };
  const per = (value: number | null) => (value === null ? DASH : value.toFixed(2));
  return (
    <>
      <div className="flex-1 px-4 py-3">
        <TokenText
          label={`Tokens of ${letter}`}
          text={text}
          tokens={result.tokens}
          signs={signs}
          marked={marked}
          near={near}
          active={picked !== null && picked < result.tokens.length ? picked : null}
          onPeek={light}
          onPick={(index) => {
            setPicked(index);
            light(index);
          }}
          className="max-h-[50vh] overflow-y-auto py-1 pr-1"
        />
      </div>
      <p className="flex flex-wrap justify-between gap-x-4 border-t px-4 py-2.5 text-xs text-muted figures">
        <span>
          {per(result.bytes_per_token)} bytes, {per(result.characters_per_token)} characters per token
        </span>
        <span>{shareOf(result.only_here.length, result.count)} only here</span>
      </p>
    </>
  );
}
