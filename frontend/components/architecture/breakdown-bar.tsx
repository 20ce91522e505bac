"use client";

import { formatPercent } from "@/lib/format";
import { cn } from "@/lib/utils";

export interface Slice {
  /** What it is, for lighting up what belongs together. */
  key: string;
  label: string;
  value: number;
  /** CSS variable of its colour. */
  colour: string;
}

/** What a whole is made of: one bar, and its table, which is legend and reading aid at once. */
export function BreakdownBar({
  label,
  slices,
  format,
  exact,
  lit = null,
  onLit,
  className,
}: {
  label: string;
  slices: readonly Slice[];
  format: (value: number) => string;
  /** The full figure, on hover. */
  exact?: (value: number) => string;
  lit?: string | null;
  onLit?: (key: string | null) => void;
  className?: string;
}) {
  const total = slices.reduce((sum, slice) => sum + slice.value, 0);
  const share = (value: number) => (total ? value / total : 0);
  const shown = slices.filter((slice) => slice.value > 0);
  const hover = (key: string) =>
    onLit ? { onPointerEnter: () => onLit(key), onPointerLeave: () => onLit(null) } : {};
  return (
    <div className={className}>
      <div
        role="img"
        aria-label={`${label}: ${shown.map((slice) => `${slice.label} ${formatPercent(share(slice.value), 1)}`).join(", ")}`}
        className="flex h-4 gap-px overflow-hidden rounded-md bg-surface-2"
      >
        {shown.map((slice) => (
          <span
            key={slice.key}
            title={`${slice.label}: ${format(slice.value)}`}
            {...hover(slice.key)}
            className={cn(
              "h-full min-w-px [transition:width_120ms,opacity_100ms]",
              lit !== null && lit !== slice.key && "opacity-30",
            )}
            style={{ width: `${100 * share(slice.value)}%`, background: `var(${slice.colour})` }}
          />
        ))}
      </div>
      <dl className="mt-2 text-sm">
        {shown.map((slice) => (
          <div
            key={slice.key}
            {...hover(slice.key)}
            className={cn(
              "flex items-center gap-2 border-b py-1 [transition:opacity_100ms] last:border-0",
              lit !== null && lit !== slice.key && "opacity-45",
            )}
          >
            <span
              aria-hidden
              className="size-2.5 shrink-0 rounded-sm"
              style={{ background: `var(${slice.colour})` }}
            />
            <dt className="min-w-0 truncate">{slice.label}</dt>
            <dd className="ml-auto shrink-0 figures" title={exact?.(slice.value)}>
              {format(slice.value)}
            </dd>
            <dd className="w-12 shrink-0 text-right text-muted figures">
              {formatPercent(share(slice.value), 1)}
            </dd>
          </div>
        ))}
      </dl>
    </div>
  );
}
