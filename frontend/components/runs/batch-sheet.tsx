"use client";

import { ChevronLeft, ChevronRight, Download, Link2 } from "lucide-react";
import { type FormEvent, useEffect, useState } from "react";
import { toast } from "sonner";

import { Button } from "@/components/ui/button";
import { Dialog, SheetContent } from "@/components/ui/dialog";
import { Input } from "@/components/ui/field";
import { Skeleton } from "@/components/ui/skeleton";
import { Failure } from "@/components/ui/states";
import { showError } from "@/lib/actions";
import { save } from "@/lib/download";
import { formatLoss, formatNumber } from "@/lib/format";
import { batchJson, figuresOf, lossColour, type StepBatch, STRONGEST, useBatch } from "@/lib/run-batch";
import type { Run } from "@/lib/types";

import { BatchRowItem } from "./batch-row";

interface Props {
  run: Run;
  step: number | null;
  score: boolean;
  row: number | null;
  onStep: (step: number | null) => void;
  onScore: (score: boolean) => void;
  onRow: (row: number | null) => void;
}

/** A step of a training: its figures, and the rows that it read with the documents that they were cut from. */
export function BatchSheet(props: Props) {
  const { step, onStep } = props;
  return (
    <Dialog open={step !== null} onOpenChange={(open) => !open && onStep(null)}>
      {step === null ? null : (
        <SheetContent
          title={`Step ${formatNumber(step)}`}
          description="What this step read, and the documents that it came from."
          className="max-w-3xl gap-0 p-0 [&>div:first-child]:px-5 [&>div:first-child]:pt-5 [&>div:first-child]:pb-3"
        >
          <Step {...props} step={step} />
        </SheetContent>
      )}
    </Dialog>
  );
}

function Step({ run, step, score, row, onStep, onScore, onRow }: Props & { step: number }) {
  const plain = useBatch(run.id, step, false);
  const scores = useBatch(run.id, step, true, score);
  const refused = score && scores.isError;
  const query = score && scores.data ? scores : plain;
  const pages = query.data?.pages;
  const batch = pages?.[0];
  const rows = pages?.flatMap((page) => page.rows) ?? [];
  const waiting = plain.isPlaceholderData || (score && scores.isPending);
  const last = batch?.last_step ?? step;
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      const { altKey, ctrlKey, metaKey, key } = event;
      if (altKey || ctrlKey || metaKey) return;
      if ((event.target as HTMLElement).closest("input, select, textarea")) return;
      if (key === "ArrowLeft" && step > 1) onStep(step - 1);
      if (key === "ArrowRight" && step < last) onStep(step + 1);
    };
    window.addEventListener("keydown", onKeyDown);
    return () => window.removeEventListener("keydown", onKeyDown);
  }, [step, last, onStep]);

  return (
    <div className="flex flex-col">
      <Bar key={step} run={run} step={step} last={last} score={score && !refused} onStep={onStep} />
      {plain.isError ? (
        <Failure
          what="The batch cannot be shown."
          error={plain.error}
          retry={() => void plain.refetch()}
          className="mx-5 mt-4"
        />
      ) : null}
      {plain.isPending ? <Waiting /> : null}
      {batch ? (
        <div className={plain.isPlaceholderData ? "flex flex-col opacity-50" : "flex flex-col"}>
          <Figures batch={batch} />
          <Source batch={batch} run={run} score={score} waiting={waiting} onScore={onScore} />
          {refused ? (
            <Failure
              what="The rows are not scored."
              error={scores.error}
              retry={() => void scores.refetch()}
              className="mx-5 mb-3"
            />
          ) : null}
          <ol aria-label="Rows" aria-busy={waiting}>
            {rows.map((item) => (
              <BatchRowItem
                key={item.row}
                run={run.id}
                step={batch.step}
                row={item}
                most={rows[0]?.loss ?? null}
                score={score && !refused}
                open={row === item.row}
                onOpen={(open) => onRow(open ? item.row : null)}
              />
            ))}
          </ol>
          {query.hasNextPage ? (
            <Button
              className="m-5 self-center"
              onClick={() => void query.fetchNextPage()}
              disabled={query.isFetchingNextPage}
            >
              Show more rows
            </Button>
          ) : null}
        </div>
      ) : null}
    </div>
  );
}

/** Step by step, to any step, and away with it. */
function Bar({
  run,
  step,
  last,
  score,
  onStep,
}: {
  run: Run;
  step: number;
  last: number;
  score: boolean;
  onStep: (step: number) => void;
}) {
  const [typed, setTyped] = useState(String(step));
  const [saving, setSaving] = useState(false);
  const go = (event: FormEvent) => {
    event.preventDefault();
    const wanted = Math.round(Number(typed.replaceAll(",", "")));
    if (Number.isFinite(wanted)) onStep(Math.min(Math.max(wanted, 1), Math.max(last, 1)));
  };
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(window.location.href);
      toast.success("The link to this step is copied.");
    } catch {
      toast.error("The browser did not allow copying.", { description: "Copy the address of this page." });
    }
  };
  const download = async () => {
    setSaving(true);
    try {
      save(new Blob([await batchJson(run.id, step, score)]), `${run.id}-step-${step}.json`);
    } catch (error) {
      showError("The step could not be saved.", error);
    } finally {
      setSaving(false);
    }
  };
  return (
    <div className="sticky top-0 z-10 flex flex-wrap items-center gap-2 border-y bg-surface px-5 py-2">
      <Button
        size="icon"
        look="ghost"
        aria-label="Previous step"
        title="Previous step (left arrow)"
        onClick={() => onStep(step - 1)}
        disabled={step <= 1}
      >
        <ChevronLeft />
      </Button>
      <form onSubmit={go} className="flex items-center gap-2">
        <Input
          aria-label="Step"
          inputMode="numeric"
          value={typed}
          onChange={(event) => setTyped(event.target.value)}
          onBlur={() => setTyped(String(step))}
          className="h-8 w-24 text-center figures"
        />
        <span className="text-sm whitespace-nowrap text-muted figures">of {formatNumber(last)}</span>
      </form>
      <Button
        size="icon"
        look="ghost"
        aria-label="Next step"
        title="Next step (right arrow)"
        onClick={() => onStep(step + 1)}
        disabled={step >= last}
      >
        <ChevronRight />
      </Button>
      <div className="ml-auto flex gap-1">
        <Button size="sm" look="ghost" onClick={() => void copy()}>
          <Link2 aria-hidden /> Copy link
        </Button>
        <Button size="sm" look="ghost" onClick={() => void download()} disabled={saving}>
          <Download aria-hidden /> Save JSON
        </Button>
      </div>
    </div>
  );
}

function Figures({ batch }: { batch: StepBatch }) {
  return (
    <dl className="grid grid-cols-2 gap-x-6 gap-y-3 px-5 pt-4 sm:grid-cols-4">
      {figuresOf(batch).map(({ name, value, usual }) => (
        <div key={name} className="min-w-0">
          <dt className="truncate text-xs text-muted">{name}</dt>
          <dd className="text-xl font-semibold figures">{value}</dd>
          {usual === null ? null : <dd className="text-xs text-muted figures">usually {usual}</dd>}
        </div>
      ))}
    </dl>
  );
}

/** Where the rows come from, and whether a model has read them. */
function Source({
  batch,
  run,
  score,
  waiting,
  onScore,
}: {
  batch: StepBatch;
  run: Run;
  score: boolean;
  waiting: boolean;
  onScore: (score: boolean) => void;
}) {
  const { scored } = batch;
  return (
    <div className="mt-4 flex flex-wrap items-center gap-x-4 gap-y-2 border-t px-5 py-3">
      <div className="min-w-0 flex-1 basis-72 text-sm">
        <p className="text-pretty">
          {formatNumber(batch.batch_size)} row{batch.batch_size === 1 ? "" : "s"} from sample{" "}
          {formatNumber(batch.first_sample)} on, of{" "}
          <span className="font-medium">{batch.dataset ?? batch.data}</span>
          {batch.done_by === run.id
            ? "."
            : `; the step was done by ${batch.done_by}, which this run comes from.`}
        </p>
        <p className="text-pretty text-muted">
          {scored
            ? `Highest loss first: by ${scored.words}. Mean ${formatLoss(scored.loss)}.`
            : waiting && score
              ? "The model of a checkpoint reads the rows …"
              : "Let the model of a checkpoint near this step read them: then the worst row comes first."}
        </p>
      </div>
      {scored ? <Scale /> : null}
      <Button
        size="sm"
        look={score ? "outline" : "primary"}
        aria-pressed={score}
        onClick={() => onScore(!score)}
        disabled={waiting && score}
      >
        {score ? "In order" : "Score rows"}
      </Button>
    </div>
  );
}

/** What the colours of tokens say. */
function Scale() {
  const stops = Array.from({ length: 5 }, (_, place) => lossColour((place * STRONGEST) / 4)).join(", ");
  return (
    <span className="flex items-center gap-1.5 text-xs text-muted figures" title="Loss of a token, in nats">
      0
      <span
        aria-hidden
        className="h-2.5 w-16 rounded-sm"
        style={{ background: `linear-gradient(to right, ${stops})` }}
      />
      {STRONGEST}+ nats
    </span>
  );
}

function Waiting() {
  return (
    <div className="flex flex-col gap-3 p-5">
      <span className="sr-only" role="status">
        Loading the batch
      </span>
      <Skeleton className="h-14" />
      <Skeleton className="h-10" />
      {[0, 1, 2, 3].map((place) => (
        <Skeleton key={place} className="h-16" />
      ))}
    </div>
  );
}
