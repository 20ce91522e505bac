"use client";

import { Info } from "@/components/tokenizer/info";
import { formatBytes, formatNumber } from "@/lib/format";
import { MEMORY_PARTS, momentOf, type PlannedChoice } from "@/lib/run-plan";
import { cn } from "@/lib/utils";

/** The memory at the worst moment, part by part, on the ground of what there is. */
export function PlanMemory({
  choice,
  available,
  there,
  each,
}: {
  choice: PlannedChoice;
  /** Bytes that one device has for this. */
  available: number;
  /** What that is: "free here", "on it". */
  there: string;
  /** Of what the figures are, if there are several: "on each". */
  each: string;
}) {
  const { peak, parts } = choice.footprint;
  const fits = peak <= available;
  const whole = Math.max(peak, available);
  const shown = MEMORY_PARTS.map((part) => ({ ...part, bytes: parts[part.key] ?? 0 })).filter(
    ({ bytes }) => bytes > 0,
  );
  return (
    <section aria-label="Memory" className="px-4 pt-3 pb-1 sm:px-5">
      <div className="flex flex-wrap items-baseline gap-x-2">
        <h3 className="flex items-center gap-1 text-sm font-medium">
          Memory{each}
          <Info
            name="Memory"
            about="All that is there at the worst moment of a step, counted from the model that would be built: the parts are not all there at one time, and only those of that moment are drawn."
          />
        </h3>
        <p className="ml-auto text-sm text-muted figures">
          <span
            className={cn("font-semibold", fits ? "text-foreground" : "text-bad")}
            title={`${formatNumber(peak)} bytes`}
          >
            {formatBytes(peak)}
          </span>{" "}
          of <span title={`${formatNumber(available)} bytes`}>{formatBytes(available)}</span> {there}
        </p>
      </div>
      <div
        role="img"
        aria-label={`Memory by part: ${shown.map(({ label, bytes }) => `${label} ${formatBytes(bytes)}`).join(", ")}; ${formatBytes(available)} ${there}`}
        className="relative mt-1.5 h-4 overflow-hidden rounded-md bg-surface-2"
      >
        <div className="flex h-full gap-px" style={{ width: `${(100 * peak) / whole}%` }}>
          {shown.map((part) => (
            <span
              key={part.key}
              title={`${part.label}: ${formatBytes(part.bytes)}`}
              className="h-full min-w-px [transition:width_120ms]"
              style={{ width: `${(100 * part.bytes) / peak}%`, background: part.colour }}
            />
          ))}
        </div>
        {fits ? null : (
          <span
            title={`${formatBytes(available)} ${there}`}
            className="absolute inset-y-0 w-0.5 bg-foreground"
            style={{ left: `calc(${(100 * available) / whole}% - 1px)` }}
          />
        )}
      </div>
      <dl className="mt-2 grid gap-x-4 gap-y-0.5 text-xs min-[420px]:grid-cols-2">
        {shown.map((part) => (
          <div key={part.key} className="flex min-w-0 items-center gap-1.5">
            <span aria-hidden className="size-2 shrink-0 rounded-sm" style={{ background: part.colour }} />
            <dt className="truncate text-muted">{part.label}</dt>
            <dd className="ml-auto shrink-0 figures" title={`${formatNumber(part.bytes)} bytes`}>
              {formatBytes(part.bytes)}
            </dd>
          </div>
        ))}
      </dl>
      <p className="mt-1.5 text-xs text-muted">At its most {momentOf(choice)}.</p>
    </section>
  );
}
