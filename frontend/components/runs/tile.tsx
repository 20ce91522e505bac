"use client";

import { Info } from "lucide-react";

import { ProgressBar } from "@/components/ui/progress";
import { Tip } from "@/components/ui/tooltip";
import { DASH } from "@/lib/format";
import { cn } from "@/lib/utils";

/** One live figure with its name. */
export function Tile({
  name,
  value,
  note,
  about,
  full,
  missing,
  share,
  last,
}: {
  name: string;
  value: string;
  note?: string;
  /** What the figure is, behind the "i". */
  about?: string;
  /** The exact value, on hover. */
  full?: string;
  /** Why there is no value. */
  missing?: string;
  share?: number | null;
  last?: boolean;
}) {
  const none = value === DASH;
  return (
    <div className={cn("min-w-0 bg-surface px-4 py-3", last && "max-xl:col-span-2 max-sm:col-span-2")}>
      <dt className="flex items-center gap-1 text-xs text-muted">
        <span className="truncate">{name}</span>
        {about ? (
          <Tip text={about}>
            <button
              type="button"
              aria-label={`What is ${name.toLowerCase()}?`}
              className="rounded-full text-muted hover:text-foreground"
            >
              <Info className="size-3.5" aria-hidden />
            </button>
          </Tip>
        ) : null}
      </dt>
      <dd className="mt-0.5 truncate text-xl font-semibold figures" title={none ? missing : full}>
        {value}
        {note ? <span className="ml-1 text-sm font-normal text-muted">{note}</span> : null}
        {none && missing ? <span className="sr-only">{missing}</span> : null}
      </dd>
      {share !== undefined && share !== null && share < 1 ? (
        <ProgressBar value={share} label={name} className="mt-1 h-1" />
      ) : null}
    </div>
  );
}
