"use client";

import { formatAgo, formatDuration, formatExact, toDate } from "@/lib/format";
import { secondsOf } from "@/lib/run-view";
import type { Run } from "@/lib/types";
import { useNow } from "@/lib/use-now";

/** A time as people say it, the exact one on hover. */
export function Ago({ at }: { at: number | string | null | undefined }) {
  const now = useNow();
  return (
    <time dateTime={toDate(at)?.toISOString()} title={formatExact(at)} className="whitespace-nowrap">
      {now ? formatAgo(at, now) : " "}
    </time>
  );
}

/** How long a run has taken, moving while it runs. */
export function Took({ run }: { run: Run }) {
  const now = useNow();
  return <span className="whitespace-nowrap figures">{now ? formatDuration(secondsOf(run, now)) : " "}</span>;
}
