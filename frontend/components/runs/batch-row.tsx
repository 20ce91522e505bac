"use client";

import { ChevronRight } from "lucide-react";
import { useEffect, useId, useRef } from "react";

import { CopyButton } from "@/components/copy-button";
import { Skeleton } from "@/components/ui/skeleton";
import { Failure } from "@/components/ui/states";
import { formatLoss, formatNumber } from "@/lib/format";
import { type BatchRow, lossColour, partWords, useBatchRow } from "@/lib/run-batch";
import { cn } from "@/lib/utils";

interface Props {
  run: string;
  step: number;
  row: BatchRow;
  /** The highest loss of the rows, which bars are drawn against. */
  most: number | null;
  score: boolean;
  open: boolean;
  onOpen: (open: boolean) => void;
}

/** A row in a line or two; opened, all of its text by documents. */
export function BatchRowItem({ run, step, row, most, score, open, onOpen }: Props) {
  const body = useId();
  const item = useRef<HTMLLIElement>(null);
  const opened = useRef(open);
  useEffect(() => {
    // A row that the address names may be far down.
    if (opened.current) item.current?.scrollIntoView?.({ block: "nearest" });
  }, []);
  const names = row.documents.map(({ id }) => id);
  return (
    <li ref={item} className="scroll-mt-28 border-t">
      <button
        type="button"
        aria-expanded={open}
        aria-controls={open ? body : undefined}
        onClick={() => onOpen(!open)}
        className="flex w-full items-start gap-3 px-5 py-2.5 text-left hover:bg-surface-2 focus-visible:outline-offset-[-3px]"
      >
        <ChevronRight
          aria-hidden
          className={cn(
            "mt-1 size-4 shrink-0 text-muted transition-transform duration-100",
            open && "rotate-90",
          )}
        />
        <span className="min-w-0 flex-1">
          <span className="flex items-baseline gap-3 text-sm">
            <span className="shrink-0 font-medium figures">Row {formatNumber(row.row)}</span>
            <span className="truncate text-muted">
              {names.slice(0, 2).join(", ")}
              {names.length > 2 ? ` and ${names.length - 2} more` : ""}
            </span>
          </span>
          <span className="line-clamp-2 text-sm break-words text-foreground/90">{row.preview}</span>
        </span>
        {row.loss === null || row.loss === undefined ? null : <LossBar loss={row.loss} most={most} />}
      </button>
      {open ? (
        <div id={body} className="px-5 pb-4 sm:pl-12">
          <WholeRow run={run} step={step} row={row} score={score} />
        </div>
      ) : null}
    </li>
  );
}

function LossBar({ loss, most }: { loss: number; most: number | null }) {
  const share = most ? Math.max(0, Math.min(1, loss / most)) : 0;
  return (
    <span
      className="flex w-24 shrink-0 flex-col items-end gap-1 pt-0.5"
      title="Mean loss of its tokens, in nats"
    >
      <span className="text-sm font-medium figures">{formatLoss(loss)}</span>
      <span aria-hidden className="h-1 w-full overflow-hidden rounded-full bg-surface-2">
        <span className="block h-full rounded-full bg-chart-2" style={{ width: `${100 * share}%` }} />
      </span>
    </span>
  );
}

function WholeRow({ run, step, row, score }: Pick<Props, "run" | "step" | "row" | "score">) {
  const query = useBatchRow(run, step, row.row, score);
  const whole = query.data;
  if (query.isError) {
    return (
      <Failure what="The row could not be read." error={query.error} retry={() => void query.refetch()} />
    );
  }
  if (!whole) return <Skeleton className="h-40" />;
  const texts = whole.texts ?? [];
  return (
    <div className="flex flex-col gap-3">
      <div className="flex flex-wrap items-center gap-x-4 gap-y-1 text-xs text-muted figures">
        <span>sample {formatNumber(whole.sample)}</span>
        <span>epoch {formatNumber(whole.epoch + 1)}</span>
        <span>{formatNumber(whole.tokens)} tokens</span>
        {whole.start === null ? null : <span>from token {formatNumber(whole.start)} of the shard on</span>}
        <span className="ml-auto">
          <CopyButton text={texts.join("")} label="Copy text" />
        </span>
      </div>
      {whole.documents.map((document) => (
        <section key={document.start} aria-label={`Document ${document.id}`} className="min-w-0">
          <h3 className="flex flex-wrap items-baseline gap-x-3 text-sm">
            <span className="font-medium break-all">{document.id}</span>
            <span className="text-xs text-muted figures">{partWords(document)}</span>
          </h3>
          <p
            className={cn(
              "mt-1 max-h-80 overflow-y-auto rounded-lg border bg-background px-3 py-2 font-mono text-xs leading-5 break-words whitespace-pre-wrap",
            )}
            tabIndex={0}
          >
            <Tokens row={whole} start={document.start} end={document.end} />
          </p>
        </section>
      ))}
    </div>
  );
}

/** The tokens of a part, coloured by their loss; those that do not count stay plain. */
function Tokens({ row, start, end }: { row: BatchRow; start: number; end: number }) {
  const texts = (row.texts ?? []).slice(start, end);
  const losses = row.losses?.slice(start, end);
  if (!losses) return texts.join("");
  return texts.map((text, place) => {
    const loss = losses[place];
    return loss === null || loss === undefined ? (
      <span key={place} className="text-muted">
        {text}
      </span>
    ) : (
      <span
        key={place}
        title={`${formatLoss(loss)} nats`}
        className={start + place === row.worst ? "rounded-xs outline-2 outline-bad" : "rounded-xs"}
        style={{ background: lossColour(loss) }}
      >
        {text}
      </span>
    );
  });
}
