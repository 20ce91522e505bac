"use client";

import type { Part } from "@/lib/architecture-parts";
import { formatNumber, formatPercent, formatShort } from "@/lib/format";
import { cn } from "@/lib/utils";

import { COLOURS } from "./component-colours";

/** All parts with what they weigh: the table behind the picture. */
export function PartList({
  parts,
  total,
  lit,
  onLit,
  onPin,
}: {
  parts: readonly Part[];
  total: number;
  lit: string | null;
  onLit: (part: string | null) => void;
  onPin: (part: string) => void;
}) {
  const heavy = parts.filter((part) => part.count > 0);
  return (
    <section aria-label="Parts" className="flex min-h-40 flex-1 flex-col max-lg:hidden">
      <h3 className="px-4 pt-3 pb-1 text-sm font-semibold">Part by part</h3>
      <ul className="min-h-0 flex-1 basis-0 overflow-y-auto px-2 pb-2 text-sm">
        {heavy.map((part) => {
          const all = part.count * part.times;
          return (
            <li key={part.id}>
              <button
                type="button"
                onPointerEnter={() => onLit(part.id)}
                onPointerLeave={() => onLit(null)}
                onClick={() => onPin(part.id)}
                className={cn(
                  "flex h-7 w-full items-center gap-2 rounded-md px-2 text-left hover:bg-surface-2 focus-visible:outline-offset-[-3px]",
                  lit === part.id && "bg-surface-2",
                )}
              >
                <span
                  aria-hidden
                  className="size-2 shrink-0 rounded-sm"
                  style={{ background: `var(${COLOURS[part.component]})` }}
                />
                <span className="min-w-0 flex-1 truncate">{part.title}</span>
                <span className="figures" title={formatNumber(all)}>
                  {formatShort(all)}
                </span>
                <span className="w-11 text-right text-muted figures">
                  {formatPercent(all / (total || 1))}
                </span>
              </button>
            </li>
          );
        })}
      </ul>
    </section>
  );
}
