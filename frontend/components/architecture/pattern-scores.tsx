"use client";

import { ArrowDown } from "lucide-react";
import { useMemo, useState } from "react";

import type { HeadPattern } from "@/lib/architecture-types";
import { patternTitle, scoreNames } from "@/lib/attention-patterns";
import { DASH } from "@/lib/format";
import { cn } from "@/lib/utils";

/** All scores of all heads as a table, to sort by any of them; a row opens its head. */
export function PatternScores({
  patterns,
  selected,
  withoutFirst,
  onSelect,
  className,
}: {
  patterns: readonly HeadPattern[];
  selected: { layer: number; head: number };
  /** Scores of the mass that is not on the first token. */
  withoutFirst: boolean;
  onSelect: (layer: number, head: number) => void;
  className?: string;
}) {
  const names = scoreNames(patterns, withoutFirst);
  const [by, setBy] = useState<string | null>(null);
  const rows = useMemo(
    () =>
      by === null
        ? patterns
        : [...patterns].sort((a, b) => (b.scores[by] ?? -Infinity) - (a.scores[by] ?? -Infinity)),
    [patterns, by],
  );
  const heading = (name: string | null, title: string) => (
    <th
      key={title}
      scope="col"
      aria-sort={by === name ? (name === null ? "ascending" : "descending") : undefined}
      className={cn("px-1 py-1 font-medium whitespace-nowrap", name !== null && "text-right")}
    >
      <button
        type="button"
        onClick={() => setBy(name)}
        className={cn(
          "inline-flex items-center gap-1 rounded-sm px-1 hover:text-foreground",
          by === name && "text-foreground",
        )}
      >
        {title}
        {by === name && name !== null ? <ArrowDown className="size-3" aria-hidden /> : null}
      </button>
    </th>
  );
  return (
    <div
      role="region"
      aria-label="Scores of all heads"
      tabIndex={0}
      className={cn("overflow-auto", className)}
    >
      <table className="w-full text-sm figures">
        <thead className="sticky top-0 z-10 bg-surface text-left text-xs text-muted">
          <tr>
            {heading(null, "Head")}
            <th scope="col" className="px-2 py-1 font-medium">
              Label
            </th>
            {names.map((name) => heading(name, patternTitle(name.replace(/_without_first$/, ""))))}
          </tr>
        </thead>
        <tbody>
          {rows.map((pattern) => {
            const on = pattern.layer === selected.layer && pattern.head === selected.head;
            return (
              <tr
                key={`${pattern.layer}.${pattern.head}`}
                aria-current={on ? "true" : undefined}
                className={cn("border-t", on ? "bg-accent-soft" : "hover:bg-surface-2")}
              >
                <th scope="row" className="px-1 py-1 text-left font-normal">
                  <button
                    type="button"
                    onClick={() => onSelect(pattern.layer, pattern.head)}
                    className="rounded-sm px-1 font-mono text-accent-ink hover:underline"
                  >
                    <span aria-hidden>
                      {pattern.layer}.{pattern.head}
                    </span>
                    <span className="sr-only">
                      Open layer {pattern.layer}, head {pattern.head}
                    </span>
                  </button>
                </th>
                <td className="px-2 py-1 whitespace-nowrap">{patternTitle(pattern.label)}</td>
                {names.map((name) => (
                  <td
                    key={name}
                    className={cn(
                      "px-2 py-1 text-right font-mono text-xs",
                      name.startsWith(pattern.label) && "font-semibold",
                    )}
                  >
                    {pattern.scores[name]?.toFixed(2) ?? DASH}
                  </td>
                ))}
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}
