"use client";

import type { Prediction } from "@/lib/architecture-types";
import { formatPercent } from "@/lib/format";
import { formatValue } from "@/lib/steps-model";
import { visible } from "@/lib/tokenizer-text";
import { cn } from "@/lib/utils";

/** The likeliest next tokens as bars; a click asks where a logit comes from. */
export function StepPredictions({
  predictions,
  onPick,
  className,
}: {
  predictions: readonly Prediction[];
  onPick: (id: number) => void;
  className?: string;
}) {
  return (
    <ul className={cn("flex flex-col", className)}>
      {predictions.map(({ id, text, logit, probability }) => (
        <li key={id}>
          <button
            type="button"
            onClick={() => onPick(id)}
            title={`Token ${id}: where does its logit come from?`}
            className="grid w-full grid-cols-[minmax(72px,22%)_minmax(0,1fr)_56px_56px] items-center gap-x-3 rounded-md px-1 py-1 text-left text-xs hover:bg-surface-2"
          >
            <span dir="auto" className="truncate font-mono text-sm">
              {visible(text)}
            </span>
            <span aria-hidden className="h-2 overflow-hidden rounded-full bg-surface-2">
              <span
                className="block h-full rounded-full bg-accent"
                style={{ width: `${Math.max(0.5, 100 * probability)}%` }}
              />
            </span>
            <span className="text-right font-mono figures">
              {probability < 0.0005 ? "<0.1%" : formatPercent(probability)}
            </span>
            <span className="text-right font-mono text-muted figures" title="Logit">
              {formatValue(logit)}
            </span>
          </button>
        </li>
      ))}
    </ul>
  );
}
