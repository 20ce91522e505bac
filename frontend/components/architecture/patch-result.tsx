"use client";

import type { UseQueryResult } from "@tanstack/react-query";
import { ArrowDown, ArrowUp } from "lucide-react";

import { Info } from "@/components/tokenizer/info";
import { Card, CardHeader } from "@/components/ui/card";
import { Select } from "@/components/ui/field";
import { Skeleton } from "@/components/ui/skeleton";
import { Failure } from "@/components/ui/states";
import type { Intervention, Patched } from "@/lib/architecture-types";
import { formatNumber } from "@/lib/format";
import { shareWords, tokenWords } from "@/lib/lens-view";
import { guessPairs, leastShown } from "@/lib/patch-view";
import { cn } from "@/lib/utils";

const LAST = "last";

/** The guesses before and after the changes, as pairs of bars. */
export function PatchResult({
  patched,
  edits,
  reading,
  onReading,
  className,
}: {
  patched: UseQueryResult<Patched>;
  edits: readonly Intervention[];
  reading: number | null;
  onReading: (position: number | null) => void;
  className?: string;
}) {
  const shown = patched.data;
  const tokens = shown?.tokens ?? [];
  const changed = edits.length > 0;
  return (
    <Card className={className}>
      <CardHeader title="Guess">
        <label htmlFor="patch-reading" className="text-sm text-muted">
          after
        </label>
        <Select
          id="patch-reading"
          value={reading ?? LAST}
          onChange={(event) => onReading(event.target.value === LAST ? null : Number(event.target.value))}
          className="w-36"
        >
          <option value={LAST}>the last token</option>
          {tokens.slice(0, -1).map((token, index) => (
            <option key={index} value={index}>
              {formatNumber(index)} {tokenWords(token.text)}
            </option>
          ))}
        </Select>
      </CardHeader>
      <div className="px-4 pt-1 pb-4 sm:px-5">
        {patched.isError ? (
          <Failure
            what="The model could not be run with these changes."
            error={patched.error}
            retry={() => void patched.refetch()}
          />
        ) : shown ? (
          <div className={cn(patched.isPlaceholderData && "opacity-70")}>
            <Pairs shown={shown} changed={changed} />
          </div>
        ) : (
          <Skeleton className="h-72" />
        )}
      </div>
    </Card>
  );
}

function Pairs({ shown, changed }: { shown: Patched; changed: boolean }) {
  const pairs = guessPairs(shown);
  const least = { before: leastShown(shown.before), after: leastShown(shown.after) };
  const say = (value: number | null, side: "before" | "after") =>
    value === null ? `<${shareWords(least[side])}`.replace("<<", "<") : shareWords(value);
  return (
    <>
      <ol aria-label="Guesses before and after" className="flex flex-col gap-2">
        {pairs.map((pair) => {
          const before = pair.before ?? 0;
          const after = pair.after ?? 0;
          const points = 100 * (after - before);
          return (
            <li
              key={pair.id}
              className="grid grid-cols-[minmax(0,5rem)_1fr_3.25rem_4.25rem] items-center gap-x-2.5 text-sm"
              aria-label={`${tokenWords(pair.text, pair.id)}: ${say(pair.before, "before")} before, ${say(pair.after, "after")} after`}
            >
              <span className="truncate font-mono">{tokenWords(pair.text, pair.id)}</span>
              <span aria-hidden className="flex flex-col gap-px">
                <Bar share={before} className="bg-chart-1" />
                {changed ? <Bar share={after} className="bg-chart-2" /> : null}
              </span>
              <span className="flex flex-col text-right text-xs leading-3.5 figures">
                <span className={cn(changed && "text-muted")}>{say(pair.before, "before")}</span>
                {changed ? <span className="font-medium">{say(pair.after, "after")}</span> : null}
              </span>
              <span className="flex items-center justify-end gap-0.5 text-xs figures">
                {changed && Math.abs(points) >= 0.05 ? (
                  <>
                    {points > 0 ? (
                      <ArrowUp className="size-3" aria-hidden />
                    ) : (
                      <ArrowDown className="size-3" aria-hidden />
                    )}
                    {Math.abs(points).toFixed(1)}
                  </>
                ) : null}
              </span>
            </li>
          );
        })}
      </ol>
      <div className="mt-3 flex min-h-9 flex-wrap items-center gap-x-4 gap-y-1 border-t pt-3 text-sm text-muted">
        {changed ? (
          <>
            <span className="flex items-center gap-1.5">
              <span aria-hidden className="size-2.5 rounded-sm bg-chart-1" /> before
            </span>
            <span className="flex items-center gap-1.5">
              <span aria-hidden className="size-2.5 rounded-sm bg-chart-2" /> after
            </span>
            <span className="ml-auto flex items-center gap-1.5">
              KL divergence
              <span className="font-medium text-foreground figures">
                {shown.kl.toFixed(shown.kl < 0.1 ? 4 : 2)} nats
              </span>
              <Info
                name="The KL divergence"
                about="How far the whole guess moved: the Kullback-Leibler divergence of the run after the changes from the run before, over all tokens of the vocabulary. 0 is no change."
              />
            </span>
          </>
        ) : (
          "The model's own guess, with nothing changed."
        )}
      </div>
    </>
  );
}

function Bar({ share, className }: { share: number; className: string }) {
  return (
    <span className="block h-2 rounded-sm bg-surface-2">
      <span
        className={cn("block h-full rounded-sm", className)}
        style={{ width: `${Math.max(share > 0 ? 0.6 : 0, 100 * share)}%` }}
      />
    </span>
  );
}
