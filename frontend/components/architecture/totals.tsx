"use client";

import { memo } from "react";

import { FigureRow } from "@/components/tokenizer/figure-row";
import { Card } from "@/components/ui/card";
import type { Plan } from "@/lib/architecture-config";
import type { Analysis } from "@/lib/architecture-types";
import { DASH, formatBytes, formatNumber, formatShort } from "@/lib/format";
import { cn } from "@/lib/utils";

export const PRECISIONS: Record<string, string> = { float32: "float32", bf16: "bfloat16", fp16: "float16" };

/** The five figures that everybody asks for first; they follow every key. */
export const Totals = memo(function Totals({
  analysis,
  plan,
  stale,
}: {
  analysis: Analysis | undefined;
  plan: Plan;
  /** The configuration at hand is wrong; these figures are of the last one that was right. */
  stale: boolean;
}) {
  const memory = analysis?.memory;
  const asked = analysis?.config.context_length as number | undefined;
  const context = formatNumber(plan.context ?? asked);
  const precision = PRECISIONS[plan.precision] ?? plan.precision;
  const bytes = (value: number | undefined) => (value === undefined ? DASH : formatBytes(value));
  const cache = memory && memory.kv_cache_at_context / plan.batch;
  const full = (value: number | undefined) =>
    value === undefined ? undefined : `${formatNumber(value)} bytes`;
  return (
    <Card className="overflow-hidden" aria-label="Totals" aria-busy={!analysis}>
      <FigureRow
        className={cn(
          "grid-cols-2 sm:grid-cols-3 xl:grid-cols-5 [&>*:first-child]:max-sm:col-span-2 max-xl:sm:[&>*:nth-child(4)]:col-span-2",
          stale && "[&_dd]:opacity-45",
        )}
        figures={[
          {
            name: "Parameters",
            value: analysis ? formatNumber(analysis.parameters.total) : DASH,
            about:
              "Every number that training may change, counted on the module that would be built; a tied head once.",
          },
          {
            name: "Operations per token",
            value: analysis ? formatShort(analysis.flops.per_token_forward) : DASH,
            note: "FLOPs",
            full: analysis ? formatNumber(analysis.flops.per_token_forward) : undefined,
            about: `Of a forward pass at a context of ${context}; a multiplication and an addition count two. Training takes three times as many.`,
          },
          {
            name: "Memory to train",
            value: bytes(memory?.total_training),
            full: full(memory?.total_training),
            about: `Weights, gradients, optimizer, activations and logits for ${plan.batch} sequences of ${context} tokens in ${precision}.`,
          },
          {
            name: "Memory to run",
            value: bytes(memory?.inference),
            full: full(memory?.inference),
            note: plan.batch > 1 ? `×${plan.batch}` : undefined,
            about: `Weights, the KV cache and the last logits of ${plan.batch} sequences of ${context} tokens at once, in ${precision}.`,
          },
          {
            name: "KV cache",
            value: bytes(cache),
            full: full(cache),
            about: `Keys and values of one sequence of ${context} tokens: what each further token must read again.`,
          },
        ]}
      />
    </Card>
  );
});
