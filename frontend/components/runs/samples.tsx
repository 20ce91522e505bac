"use client";

import { PenLine } from "lucide-react";
import { useId, useMemo, useState } from "react";

import { Card, CardHeader } from "@/components/ui/card";
import { Range } from "@/components/ui/field";
import { Skeleton } from "@/components/ui/skeleton";
import { Failure } from "@/components/ui/states";
import { formatNumber } from "@/lib/format";
import { useRunEvents } from "@/lib/queries";
import { isAlive, type Run, type RunEvent } from "@/lib/types";
import { cn } from "@/lib/utils";

interface Sample {
  step: number;
  prompt: string;
  text: string;
  chat: boolean;
}

/** The samples by step, ascending; of a step sampled twice (after a resume) the later one counts. */
export function samplesByStep(events: readonly RunEvent[]): { step: number; samples: Sample[] }[] {
  const steps = new Map<number, Map<string, Sample>>();
  for (const event of events) {
    if (event.type !== "sample") continue;
    const { step, prompt, text, chat } = event.data;
    if (typeof step !== "number" || typeof text !== "string") continue;
    const sample = { step, prompt: typeof prompt === "string" ? prompt : "", text, chat: chat === true };
    const known = steps.get(step) ?? new Map<string, Sample>();
    steps.set(step, known.set(sample.prompt, sample));
  }
  return [...steps]
    .sort(([a], [b]) => a - b)
    .map(([step, samples]) => ({ step, samples: [...samples.values()] }));
}

/** What the model writes as it learns: a slider over the steps, newest first below it. */
export function Samples({ run, className }: { run: Run; className?: string }) {
  const events = useRunEvents(run.id);
  const steps = useMemo(() => samplesByStep(events.data ?? []), [events.data]);
  const [chosen, setChosen] = useState<number | null>(null);
  const slider = useId();
  const newest = steps.length - 1;
  const place = chosen === null ? newest : Math.min(chosen, newest);
  const shown = steps.slice(0, place + 1).reverse();

  return (
    <Card className={cn("flex flex-col lg:h-0 lg:min-h-full", className)}>
      <CardHeader
        title="What it writes"
        note={steps[place] ? `at step ${formatNumber(steps[place].step)}` : undefined}
      />
      {steps.length > 1 ? (
        <div className="px-4 sm:px-5">
          <label htmlFor={slider} className="sr-only">
            Step to look at
          </label>
          <Range
            id={slider}
            min={0}
            max={newest}
            value={place}
            aria-valuetext={`step ${steps[place]?.step ?? 0}`}
            onChange={(event) => {
              const next = Number(event.target.value);
              setChosen(next === newest ? null : next);
            }}
          />
        </div>
      ) : null}
      <div
        className="min-h-0 flex-1 overflow-y-auto px-4 pt-1 pb-4 max-lg:max-h-96 sm:px-5"
        tabIndex={0}
        role="region"
        aria-label="Samples"
      >
        {events.isPending ? <Skeleton className="h-32" /> : null}
        {events.isError ? (
          <Failure
            what="The samples could not be read."
            error={events.error}
            retry={() => void events.refetch()}
          />
        ) : null}
        {events.data && !steps.length ? (
          <p className="flex items-start gap-2 py-2 text-muted">
            <PenLine className="mt-1 size-4 shrink-0" aria-hidden />
            {isAlive(run)
              ? "The first text comes in a moment: noise at first, then words, then sentences."
              : "This run wrote no samples."}
          </p>
        ) : null}
        <ol className="flex flex-col gap-4">
          {shown.map(({ step, samples }, row) => (
            <li key={step} className="flex flex-col gap-2">
              {row > 0 ? (
                <span className="border-t pt-2 text-xs text-muted figures">step {formatNumber(step)}</span>
              ) : null}
              {samples.map((sample) => (
                <SampleText key={sample.prompt} sample={sample} />
              ))}
            </li>
          ))}
        </ol>
      </div>
    </Card>
  );
}

function SampleText({ sample }: { sample: Sample }) {
  if (sample.chat) {
    return (
      <div className="text-sm">
        <p className="text-muted">{sample.prompt}</p>
        <p className="mt-0.5 border-l-2 border-accent pl-2.5 break-words whitespace-pre-wrap">
          {sample.text || "(nothing)"}
        </p>
      </div>
    );
  }
  return (
    <p className="text-sm break-words whitespace-pre-wrap">
      {sample.prompt ? <span className="text-muted">{sample.prompt}</span> : null}
      {sample.text}
    </p>
  );
}
