"use client";

import { ChevronLeft, ChevronRight } from "lucide-react";
import { useState } from "react";

import { Button } from "@/components/ui/button";
import { Skeleton } from "@/components/ui/skeleton";
import { Failure } from "@/components/ui/states";
import { useTensor } from "@/lib/architecture-queries";
import type { LabToken, Prediction, TraceStep } from "@/lib/architecture-types";
import { formatNumber } from "@/lib/format";
import {
  formatShape,
  formatValue,
  isByHead,
  isByToken,
  isByVocabulary,
  isShare,
  type NumberRef,
  sheetOf,
} from "@/lib/steps-model";
import { visible } from "@/lib/tokenizer-text";

import { StepExplain } from "./step-explain";
import { StepGrid } from "./step-grid";

const PAGE = 4096;

/** One step opened: what it computes, all of its numbers at this token, and where a number comes from. */
export function StepDetail({
  model,
  text,
  tokens,
  predictions,
  step,
  position,
  trail,
  onTrail,
}: {
  model: string;
  text: string;
  tokens: readonly LabToken[];
  predictions: readonly Prediction[];
  step: TraceStep;
  /** The token whose numbers are shown. */
  position: number;
  trail: readonly NumberRef[];
  onTrail: (trail: readonly NumberRef[]) => void;
}) {
  const [page, setPage] = useState<{ of: string; start: number }>({ of: step.name, start: 0 });
  const start = page.of === step.name ? page.start : 0;
  const tensor = useTensor({ model, text, name: step.name, position, head: null, start, count: PAGE });
  const found =
    tensor.data?.name === step.name && tensor.data.asked.position === position ? tensor.data : null;
  const total = found?.shape.reduce((product, size) => product * size, 1) ?? 0;
  const whole = found !== null && total <= PAGE;
  const sheet = found
    ? whole
      ? sheetOf(step.name, found.shape, found.values.length)
      : sheetOf("", [], found.values.length)
    : null;
  const byHead = isByHead(step.name);
  const width = found?.shape.at(-1) ?? 1;
  /** A cell of the sheet as a number of the tensor. */
  const refOf = (row: number, column: number): NumberRef => {
    const place = start + row * (sheet?.columns ?? 1) + column;
    return byHead
      ? { name: step.name, position, index: place % width, head: Math.floor(place / width) }
      : { name: step.name, position, index: place, head: null };
  };
  const guessed = (id: number): string => {
    const found = predictions.find((prediction) => prediction.id === id);
    return found ? `“${visible(found.text)}”` : "";
  };
  const nameOfCell = (row: number, column: number): string => {
    const { index, head } = refOf(row, column);
    const number = isByToken(step.name)
      ? `to “${visible(tokens[index]?.text ?? "")}” (${index})`
      : isByVocabulary(step.name)
        ? ["token", formatNumber(index), guessed(index)].filter(Boolean).join(" ")
        : `number ${formatNumber(index)}`;
    return head === null ? number : `head ${head}, ${number}`;
  };
  const [head] = trail;
  const own = head && head.name === step.name && head.position === position ? head : null;
  const place = own ? (own.head ?? 0) * (byHead ? width : 0) + own.index - start : -1;
  const at =
    sheet && place >= 0 ? { row: Math.floor(place / sheet.columns), column: place % sheet.columns } : null;

  return (
    <div className="flex min-w-0 flex-col gap-4">
      <div className="flex flex-col gap-2">
        <code className="block rounded-md bg-surface-2 px-2.5 py-1.5 font-mono text-xs break-words">
          {step.formula}
        </code>
        <p className="text-xs text-muted">
          <span className="font-mono">{step.name}</span>
          {step.source ? <> · {step.source}</> : null}
        </p>
      </div>
      {tensor.isError ? (
        <Failure
          what="The numbers could not be read."
          error={tensor.error}
          retry={() => void tensor.refetch()}
        />
      ) : found && sheet ? (
        <>
          <StepGrid
            label={`${step.title}, ${formatNumber(found.values.length)} numbers`}
            values={found.values}
            sheet={sheet}
            share={isShare(step.name)}
            rowName={byHead && whole ? (row) => `h${row}` : undefined}
            columnName={isByToken(step.name) && whole ? (column) => tokens[column]?.text ?? "" : undefined}
            cellName={nameOfCell}
            at={at}
            onPick={(row, column) => onTrail([refOf(row, column)])}
          />
          {whole ? null : (
            <div className="-mt-2 flex items-center gap-2 text-xs text-muted figures">
              {formatNumber(start)} to {formatNumber(start + found.values.length - 1)} of{" "}
              {formatNumber(total)}
              <Button
                look="ghost"
                size="icon"
                aria-label="Numbers before"
                disabled={start === 0}
                onClick={() => setPage({ of: step.name, start: Math.max(0, start - PAGE) })}
              >
                <ChevronLeft />
              </Button>
              <Button
                look="ghost"
                size="icon"
                aria-label="Next numbers"
                disabled={start + PAGE >= total}
                onClick={() => setPage({ of: step.name, start: start + PAGE })}
              >
                <ChevronRight />
              </Button>
            </div>
          )}
          <dl className="-mt-1 grid grid-cols-4 gap-x-3 text-xs">
            <Figure name="Shape" value={formatShape(found.shape)} />
            <Figure name="Smallest" value={formatValue(found.minimum)} />
            <Figure name="Largest" value={formatValue(found.maximum)} />
            <Figure name="Length" value={formatValue(step.norm)} />
          </dl>
        </>
      ) : (
        <Skeleton className="h-40" />
      )}
      {trail.length ? (
        <div className="border-t pt-3">
          <StepExplain model={model} text={text} known={step.formula} trail={trail} onTrail={onTrail} />
        </div>
      ) : null}
    </div>
  );
}

function Figure({ name, value }: { name: string; value: string }) {
  return (
    <div className="min-w-0">
      <dt className="text-muted">{name}</dt>
      <dd className="truncate font-mono figures">{value}</dd>
    </div>
  );
}
