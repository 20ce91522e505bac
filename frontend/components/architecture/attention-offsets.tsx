"use client";

import { Info } from "@/components/tokenizer/info";
import { formatWeight } from "@/lib/attention-view";

/** How much a head looks how far back, on average over the text. */
export function AttentionOffsets({ offsets }: { offsets: readonly number[] }) {
  const most = Math.max(...offsets, 1e-9);
  const spoken = offsets.map((value, back) => `${back}: ${formatWeight(value)}`).join(", ");
  return (
    <span className="flex items-center gap-2 text-xs text-muted">
      By distance
      <span
        role="img"
        aria-label={`Mean weight by tokens back. ${spoken}`}
        className="flex h-6 items-end gap-px"
      >
        {offsets.map((value, back) => (
          <span
            key={back}
            title={`${back} back: ${formatWeight(value)}`}
            className="flex h-full w-1.5 items-end rounded-[1px] bg-surface-2"
          >
            <span
              className="w-full rounded-[1px] bg-chart-1"
              style={{ height: `${Math.max(4, (100 * value) / most)}%` }}
            />
          </span>
        ))}
      </span>
      <Info
        name="The profile of distances"
        about="Mean of A[i, i - k] for k = 0, 1, 2, ... tokens back, from left to right: itself, the token before, and so on."
      />
    </span>
  );
}
