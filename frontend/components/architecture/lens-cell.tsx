"use client";

import { ChevronLeft, ChevronRight } from "lucide-react";

import { Info } from "@/components/tokenizer/info";
import { Button } from "@/components/ui/button";
import type { Lens } from "@/lib/architecture-types";
import { DASH, formatNumber } from "@/lib/format";
import { LENS_MEASURES, shareWords, tokenWords, trueToken } from "@/lib/lens-view";

import type { Place } from "./heat-grid";

/** One cell of the lens, opened: the best guesses with their shares, and the figures that it can be coloured by. */
export function LensCellView({
  lens,
  place: [row, column],
  vocabulary,
  encoder,
  onMove,
}: {
  lens: Lens;
  place: Place;
  vocabulary: number;
  encoder: boolean;
  onMove: (place: Place) => void;
}) {
  const layer = lens.layers[row]!;
  const cell = layer.positions[column]!;
  const next = trueToken(lens.tokens, column, encoder);
  return (
    <div>
      <div className="flex items-start gap-2 px-4 pt-3 sm:px-5">
        <div className="min-w-0 flex-1">
          <h2 className="text-base font-semibold">{layer.title}</h2>
          <p className="truncate text-sm text-muted">
            {encoder ? "at" : "after"} token {formatNumber(column)},{" "}
            <span className="font-mono text-foreground">{tokenWords(lens.tokens[column]!.text)}</span>
          </p>
        </div>
        <Button
          look="ghost"
          size="icon"
          aria-label="Layer before"
          disabled={row === 0}
          onClick={() => onMove([row - 1, column])}
        >
          <ChevronLeft />
        </Button>
        <Button
          look="ghost"
          size="icon"
          aria-label="Layer after"
          disabled={row === lens.layers.length - 1}
          onClick={() => onMove([row + 1, column])}
        >
          <ChevronRight />
        </Button>
      </div>
      <ol className="flex flex-col gap-1.5 px-4 py-3 sm:px-5" aria-label="Best guesses">
        {cell.top.map(({ id, text, probability }) => (
          <li
            key={id}
            className="grid grid-cols-[minmax(0,5.5rem)_1fr_3rem] items-center gap-2.5 text-sm"
            title={`Token ${formatNumber(id)}, ${(100 * probability).toPrecision(4)}%`}
          >
            <span
              className={
                id === next?.id
                  ? "truncate font-mono text-foreground underline decoration-2 underline-offset-4"
                  : "truncate font-mono"
              }
            >
              {tokenWords(text, id)}
            </span>
            <span aria-hidden className="h-3 rounded-sm bg-surface-2">
              <span
                className="block h-full rounded-sm bg-chart-1"
                style={{ width: `${Math.max(0.5, 100 * probability)}%` }}
              />
            </span>
            <span className="text-right figures">{shareWords(probability)}</span>
          </li>
        ))}
      </ol>
      <dl className="border-t px-4 py-3 text-sm sm:px-5">
        {LENS_MEASURES.slice(1).map((measure) => (
          <div key={measure.key} className="flex items-center justify-between gap-3 py-0.5">
            <dt className="flex items-center gap-1.5 text-muted">
              {measure.label}
              <Info name={measure.label} about={measure.about} />
            </dt>
            <dd className="figures" title={measure.words(cell) === DASH ? "The text ends here." : undefined}>
              {measure.words(cell)}
              {measure.key === "rank" && cell.target_rank !== null ? (
                <span className="text-muted"> of {formatNumber(vocabulary)}</span>
              ) : null}
            </dd>
          </div>
        ))}
        <div className="flex items-center justify-between gap-3 py-0.5">
          <dt className="text-muted">
            {encoder ? "What stands there" : next ? "What comes next" : "Nothing comes next"}
          </dt>
          <dd className="min-w-0 truncate">
            {next ? (
              <>
                <span className="font-mono">{tokenWords(next.text)}</span>{" "}
                <span className="text-muted figures">{shareWords(cell.target_probability ?? 0)}</span>
              </>
            ) : (
              DASH
            )}
          </dd>
        </div>
      </dl>
    </div>
  );
}
