"use client";

import { GitFork, Pin } from "lucide-react";
import { useRouter, useSearchParams } from "next/navigation";

import { Info } from "@/components/tokenizer/info";
import { Ago } from "@/components/time";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Card, CardHeader } from "@/components/ui/card";
import { Skeleton } from "@/components/ui/skeleton";
import { Failure } from "@/components/ui/states";
import { type Checkpoint, useCheckpoints, usePin } from "@/lib/checkpoint-queries";
import { formatBytes, formatLoss, formatNumber } from "@/lib/format";
import { isAlive, type Run } from "@/lib/types";
import { withQuery } from "@/lib/utils";

import { ForkSheet } from "./fork-sheet";

const ABOUT =
  "Weights, optimizer and place in the data at a step. The newest ones are kept, the one with the lowest validation loss, and those that are pinned.";

/** The places that a run can be resumed and forked from. */
export function CheckpointsCard({ run }: { run: Run }) {
  const checkpoints = useCheckpoints(run);
  const router = useRouter();
  const query = useSearchParams();
  const asked = query.get("fork");
  const chosen = checkpoints.data?.find(({ step }) => String(step) === asked) ?? null;
  const open = (step: number | null) =>
    router.replace(
      withQuery("/runs/", {
        ...Object.fromEntries(query),
        fork: step === null ? null : String(step),
      }),
      { scroll: false },
    );
  const rows = [...(checkpoints.data ?? [])].reverse();
  return (
    <Card aria-label="Checkpoints" className="overflow-hidden">
      <CardHeader
        title={
          <span className="inline-flex items-center gap-1.5">
            Checkpoints <Info name="Checkpoints" about={ABOUT} />
          </span>
        }
        note={
          rows.length ? `${formatBytes(rows.reduce((sum, row) => sum + row.size_bytes, 0))} in all` : null
        }
      />
      {checkpoints.isPending ? <Skeleton className="m-4 h-20" /> : null}
      {checkpoints.isError ? (
        <Failure
          className="m-4"
          what="The checkpoints could not be read."
          error={checkpoints.error}
          retry={() => void checkpoints.refetch()}
        />
      ) : null}
      {checkpoints.data && !rows.length ? (
        <p className="px-4 pt-1 pb-5 text-sm text-pretty text-muted sm:px-5">{nothing(run)}</p>
      ) : null}
      {rows.length ? <Table run={run} rows={rows} onFork={open} /> : null}
      {chosen ? (
        <ForkSheet key={chosen.step} run={run} checkpoint={chosen} onClose={() => open(null)} />
      ) : null}
    </Card>
  );
}

function nothing(run: Run): string {
  const training = run.config["training"] as { checkpoint_every?: number; steps?: number } | undefined;
  const first = Math.min(training?.checkpoint_every ?? Infinity, training?.steps ?? Infinity);
  if (!isAlive(run)) return "This run left none: it ended before the first was written.";
  return Number.isFinite(first)
    ? `The first is written at step ${formatNumber(first)}. The run can then be resumed and forked from it.`
    : "The first has not been written yet.";
}

function Table({
  run,
  rows,
  onFork,
}: {
  run: Run;
  rows: readonly Checkpoint[];
  onFork: (step: number) => void;
}) {
  const pin = usePin(run);
  return (
    <div
      className="max-h-80 overflow-auto border-t"
      tabIndex={0}
      role="region"
      aria-label="Table of checkpoints"
    >
      <table className="w-full text-sm figures">
        <thead className="sticky top-0 z-10 bg-surface text-xs text-muted shadow-[0_1px_0_var(--border)]">
          <tr>
            <th className="py-2 pr-3 pl-4 text-left font-medium sm:pl-5">Step</th>
            <th className="px-3 py-2 text-right font-medium" title="The newest at the step or before">
              <span className="max-sm:hidden">Validation loss</span>
              <span className="sm:hidden">Val. loss</span>
            </th>
            <th className="px-3 py-2 text-right font-medium max-md:hidden">Train loss</th>
            <th className="px-3 py-2 text-right font-medium max-md:hidden">Size</th>
            <th className="px-3 py-2 text-right font-medium max-md:hidden">Written</th>
            <th className="py-2 pr-4 sm:pr-5">
              <span className="sr-only">Actions</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.step} className="border-b last:border-0 hover:bg-surface-2/60">
              <th scope="row" className="py-1.5 pr-3 pl-4 text-left font-medium sm:pl-5">
                <span className="flex flex-wrap items-center gap-x-2 gap-y-1">
                  {formatNumber(row.step)}
                  {row.newest ? <Badge title="The run is resumed from it">newest</Badge> : null}
                  {row.best ? (
                    <Badge tone="good" title="The lowest validation loss of those that are kept">
                      best
                    </Badge>
                  ) : null}
                </span>
              </th>
              <td className="px-3 py-1.5 text-right">{formatLoss(row.val_loss)}</td>
              <td className="px-3 py-1.5 text-right max-md:hidden">{formatLoss(row.train_loss)}</td>
              <td className="px-3 py-1.5 text-right text-muted max-md:hidden">
                {formatBytes(row.size_bytes)}
              </td>
              <td className="px-3 py-1.5 text-right text-muted max-md:hidden">
                <Ago at={row.created_at} />
              </td>
              <td className="py-1.5 pr-4 sm:pr-5">
                <span className="flex items-center justify-end gap-1">
                  <Button
                    look="ghost"
                    size="icon"
                    aria-pressed={row.pinned}
                    aria-label={`Pin step ${formatNumber(row.step)}`}
                    title={
                      row.pinned ? "Pinned: it is never deleted to make room" : "Pin: keep it in any case"
                    }
                    onClick={() => pin.mutate({ step: row.step, pinned: !row.pinned })}
                    className={row.pinned ? "bg-accent-soft text-accent-ink" : undefined}
                  >
                    <Pin aria-hidden className={row.pinned ? "fill-current" : undefined} />
                  </Button>
                  <Button
                    size="sm"
                    aria-label={`Fork from here, step ${formatNumber(row.step)}`}
                    onClick={() => onFork(row.step)}
                  >
                    <GitFork aria-hidden />
                    <span>
                      Fork<span className="max-sm:hidden"> from here</span>
                    </span>
                  </Button>
                </span>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
