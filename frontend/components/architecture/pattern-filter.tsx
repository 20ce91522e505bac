"use client";

import { useMemo } from "react";

import type { HeadPattern } from "@/lib/architecture-types";
import { countLabels, patternTitle } from "@/lib/attention-patterns";
import { cn } from "@/lib/utils";

/** Which pattern stands out in the grid, with how many heads are labelled so. */
export function PatternFilter({
  patterns,
  value,
  onChange,
}: {
  patterns: readonly HeadPattern[];
  value: string | null;
  onChange: (label: string | null) => void;
}) {
  const labels = useMemo(() => countLabels(patterns), [patterns]);
  const chip = (key: string, label: string | null, title: string, count: number) => (
    <button
      key={key}
      type="button"
      aria-pressed={value === label}
      onClick={() => onChange(value === label ? null : label)}
      className={cn(
        "inline-flex h-7 items-center gap-1.5 rounded-full border px-2.5 text-xs whitespace-nowrap",
        value === label
          ? "border-accent bg-accent-soft font-medium text-accent-ink"
          : "text-muted hover:border-border-strong hover:text-foreground",
      )}
    >
      {title} <span className="figures">{count}</span>
    </button>
  );
  return (
    <div role="group" aria-label="Patterns" className="flex flex-wrap gap-1.5">
      {chip("all", null, "All heads", patterns.length)}
      {labels.map(({ label, count }) => chip(label, label, patternTitle(label), count))}
    </div>
  );
}
