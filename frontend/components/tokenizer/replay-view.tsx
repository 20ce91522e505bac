"use client";

import { ChevronLeft, ChevronRight, Pause, Play } from "lucide-react";
import { useEffect, useId, useMemo, useState } from "react";

import { Button } from "@/components/ui/button";
import { Field, Input, Range } from "@/components/ui/field";
import { Skeleton } from "@/components/ui/skeleton";
import { Failure } from "@/components/ui/states";
import { DASH, formatNumber } from "@/lib/format";
import { TRACE_PAGE, useReplay, useRested, useTrace } from "@/lib/tokenizer-queries";
import { visible } from "@/lib/tokenizer-text";
import { countCurve, joinSteps } from "@/lib/tokenizer-training";
import type { RunnerUp, Trace, TracedMerge } from "@/lib/tokenizer-types";
import { cn } from "@/lib/utils";

import { Info } from "./info";
import { TokenText } from "./token-text";

const SENTENCE =
  "The training of a tokenizer returns the pairs that meet most often, and then returns to the beginning.";
const PLAY_MS = 350;
const NEAR = 3;
const WIDTH = 600;
const HEIGHT = 56;

/** A training in slow motion: any moment of it, with the sentence as it was cut then. */
export function ReplayView({ tokenizer }: { tokenizer: string }) {
  const id = useId();
  const [text, setText] = useState(SENTENCE);
  const [wanted, setWanted] = useState<number | null>(null);
  const [playing, setPlaying] = useState(false);
  const first = useTrace(tokenizer, 0);
  const total = first.data?.steps_total ?? null;
  const step = wanted ?? (total === null ? null : Math.min(total, 60));
  const page = pageOf(step ?? 0);
  const later = useTrace(tokenizer, page);
  const last = useTrace(tokenizer, pageOf(total ?? 0));
  const steps = useMemo(
    () => joinSteps(first.data, later.data, last.data),
    [first.data, later.data, last.data],
  );
  const rested = useRested(step, 40);
  const replay = useReplay(tokenizer, text, rested ?? step);
  const go = (next: number) => {
    setPlaying(false);
    setWanted(Math.min(total ?? 0, Math.max(0, next)));
  };
  useEffect(() => {
    if (!playing || step === null || total === null) return undefined;
    const timer = setTimeout(() => {
      setWanted(Math.min(total, step + 1));
      if (step + 1 >= total) setPlaying(false);
    }, PLAY_MS);
    return () => clearTimeout(timer);
  }, [playing, step, total]);

  if (first.isError) {
    return (
      <Failure
        className="m-4"
        what="The training could not be read."
        error={first.error}
        retry={() => void first.refetch()}
      />
    );
  }
  if (!first.data || step === null || total === null) return <Skeleton className="m-4 h-96" />;
  const merge = later.data?.steps.find((item) => item.step === step) ?? null;
  return (
    <>
      <div className="px-4 pt-1 sm:px-5">
        <Field label="Sentence" htmlFor={id}>
          <Input
            id={id}
            dir="auto"
            value={text}
            maxLength={2000}
            onChange={(event) => setText(event.target.value)}
          />
        </Field>
      </div>
      <div className="px-4 pt-3 sm:px-5">
        <div className="min-h-24">
          {replay.isError ? (
            <Failure
              what="The sentence could not be cut."
              error={replay.error}
              retry={() => void replay.refetch()}
            />
          ) : replay.data && text ? (
            <TokenText
              label="The sentence at this moment"
              text={replay.data.text}
              tokens={replay.data.tokens}
              fresh={replay.data.merge?.merged ?? null}
            />
          ) : text ? (
            <Skeleton className="h-16" />
          ) : (
            <p className="text-muted">There is no sentence to cut.</p>
          )}
        </div>
        <p className="mt-2 text-sm text-muted figures" aria-live="polite">
          {replay.data && text ? (
            <>
              <span className="font-semibold text-foreground">{formatNumber(replay.data.tokens.length)}</span>{" "}
              tokens with a vocabulary of {formatNumber(replay.data.vocab_size)}; new ones are ringed.
            </>
          ) : (
            " "
          )}
        </p>
      </div>
      <div className="mt-3 border-t px-4 pt-3 sm:px-5">
        <div className="flex items-center gap-2">
          <h3 className="text-sm font-semibold">
            Merge <span className="figures">{formatNumber(step)}</span>{" "}
            <span className="font-normal text-muted figures">of {formatNumber(total)}</span>
          </h3>
          <span className="ml-auto flex items-center gap-1">
            <Button
              look="ghost"
              size="icon"
              aria-label="One merge back"
              disabled={step === 0}
              onClick={() => go(step - 1)}
            >
              <ChevronLeft />
            </Button>
            <Button
              look="ghost"
              size="icon"
              aria-label={playing ? "Pause" : "Play"}
              disabled={step >= total}
              onClick={() => setPlaying(!playing)}
            >
              {playing ? <Pause /> : <Play />}
            </Button>
            <Button
              look="ghost"
              size="icon"
              aria-label="One merge on"
              disabled={step >= total}
              onClick={() => go(step + 1)}
            >
              <ChevronRight />
            </Button>
          </span>
        </div>
        <Curve steps={steps} total={total} step={step} />
        <Range
          aria-label="Merge"
          aria-valuetext={`${step} of ${total} merges`}
          min={0}
          max={total}
          value={step}
          onChange={(event) => go(Number(event.target.value))}
        />
      </div>
      <Chosen merge={merge} step={step} />
      {later.data ? (
        <Nearby trace={later.data} step={step} tieBreak={first.data.tie_break} onGo={go} />
      ) : (
        <Skeleton className="m-4 h-48" />
      )}
    </>
  );
}

/** The place in the trace where the part with a step begins. */
const pageOf = (step: number): number => Math.floor(Math.max(0, step - 1) / TRACE_PAGE) * TRACE_PAGE;

/** How often the merged pair stood in the text, from the first merge to the last. */
function Curve({ steps, total, step }: { steps: Trace["steps"]; total: number; step: number }) {
  const path = useMemo(() => countCurve(steps, total, WIDTH, HEIGHT - 4), [steps, total]);
  const [most, least] = [steps[0]?.count, steps.at(-1)?.count];
  return (
    <figure className="relative mx-2 mt-1">
      <svg
        viewBox={`0 -2 ${WIDTH} ${HEIGHT}`}
        preserveAspectRatio="none"
        className="h-14 w-full overflow-visible"
        role="img"
        aria-label={`Counts of the merged pairs fall from ${formatNumber(most)} to ${formatNumber(least)}, drawn on a logarithmic scale.`}
      >
        <path d={`${path}L${WIDTH} ${HEIGHT}L0 ${HEIGHT}Z`} className="fill-accent-soft" />
        <path
          d={path}
          fill="none"
          vectorEffect="non-scaling-stroke"
          strokeWidth={1.5}
          className="stroke-accent"
        />
      </svg>
      <span
        aria-hidden
        className="absolute inset-y-0 border-l-2 border-foreground"
        style={{ left: `${total > 1 ? (100 * Math.max(0, step - 1)) / (total - 1) : 0}%` }}
      />
      <figcaption className="pointer-events-none absolute top-0 right-0 text-xs text-muted">
        count of each merge, log scale
      </figcaption>
    </figure>
  );
}

function Chosen({ merge, step }: { merge: TracedMerge | null; step: number }) {
  return (
    <div className="mt-2 grid min-h-22 gap-px border-t bg-border sm:grid-cols-2">
      <div className="bg-surface px-4 py-3 sm:px-5">
        <p className="flex items-center gap-1 text-xs text-muted">
          Merged
          <Info
            name="The merge"
            about="The pair of neighbours that stood most often in the text at that moment. It becomes one token everywhere."
          />
        </p>
        {merge ? (
          <>
            <p className="mt-1 flex flex-wrap items-center gap-1.5 font-mono text-base">
              <Piece text={merge.left} /> + <Piece text={merge.right} /> →{" "}
              <Piece text={merge.merged} strong />
            </p>
            <p className="mt-1 text-sm text-muted figures">{formatNumber(merge.count)} times</p>
          </>
        ) : (
          <p className="mt-1 text-muted">
            {step === 0 ? "Nothing yet: the tokens are the 256 bytes." : DASH}
          </p>
        )}
      </div>
      <div className="bg-surface px-4 py-3 sm:px-5">
        <p className="flex items-center gap-1 text-xs text-muted">
          Runner-up
          <Info
            name="The runner-up"
            about="The pair that stood second. Where its count is the same, the rule for ties decided."
          />
        </p>
        {merge?.runner_up ? (
          <>
            <p className="mt-1 flex flex-wrap items-center gap-1.5 font-mono text-base">
              <Pair pair={merge.runner_up} />
            </p>
            <p className="mt-1 text-sm text-muted figures">
              {merge.runner_up.count === merge.count
                ? "as often: the rule for ties decided"
                : `${formatNumber(merge.runner_up.count)} times, ${formatNumber(merge.count - merge.runner_up.count)} fewer`}
            </p>
          </>
        ) : (
          <p className="mt-1 text-muted">{merge ? "There was none." : DASH}</p>
        )}
      </div>
    </div>
  );
}

function Piece({ text, strong = false }: { text: string; strong?: boolean }) {
  return (
    <span
      dir="auto"
      className={cn("rounded-sm px-1", strong ? "bg-accent-soft text-accent-ink" : "bg-surface-2")}
    >
      {visible(text)}
    </span>
  );
}

const Pair = ({ pair }: { pair: Pick<RunnerUp, "left" | "right"> }) => (
  <>
    <Piece text={pair.left} /> + <Piece text={pair.right} />
  </>
);

/** The merges around this one. */
function Nearby({
  trace,
  step,
  tieBreak,
  onGo,
}: {
  trace: Trace;
  step: number;
  tieBreak: string;
  onGo: (step: number) => void;
}) {
  const at = trace.steps.findIndex((item) => item.step === Math.max(1, step));
  const from = Math.max(0, Math.min(at - NEAR, trace.steps.length - 2 * NEAR - 1));
  const rows = trace.steps.slice(from, from + 2 * NEAR + 1);
  const head =
    "px-3 py-2 text-left text-xs font-medium text-muted first:pl-4 last:pr-4 sm:first:pl-5 sm:last:pr-5";
  const cell = "px-3 py-1.5 first:pl-4 last:pr-4 sm:first:pl-5 sm:last:pr-5";
  return (
    <div className="border-t">
      <table className="w-full border-collapse text-sm">
        <caption className="sr-only">Merges around this one</caption>
        <thead>
          <tr className="border-b">
            <th className={`${head} w-20 text-right!`}>Merge</th>
            <th className={head}>New token</th>
            <th className={`${head} text-right!`}>Count</th>
            <th className={`${head} max-sm:hidden`}>Runner-up</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr
              key={row.step}
              aria-current={row.step === step ? "step" : undefined}
              className={cn(
                "relative border-b last:border-0",
                row.step === step ? "bg-accent-soft" : "hover:bg-surface-2/60",
              )}
            >
              <td className={`${cell} text-right figures`}>
                <button
                  type="button"
                  aria-label={`Go to merge ${row.step}`}
                  onClick={() => onGo(row.step)}
                  className="rounded-sm after:absolute after:inset-0"
                >
                  {formatNumber(row.step)}
                </button>
              </td>
              <td className={`${cell} font-mono break-all`}>{visible(row.merged)}</td>
              <td className={`${cell} text-right figures`}>{formatNumber(row.count)}</td>
              <td className={`${cell} font-mono break-all text-muted max-sm:hidden`}>
                {row.runner_up
                  ? `${visible(row.runner_up.left)} + ${visible(row.runner_up.right)} (${formatNumber(row.runner_up.count)})`
                  : DASH}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <p className="border-t px-4 py-2.5 text-xs text-muted sm:px-5">
        Ties went by the rule <span className="font-mono">{tieBreak}</span>.
      </p>
    </div>
  );
}
