import { STATES } from "@/lib/run-view";
import type { RunState } from "@/lib/types";
import { cn } from "@/lib/utils";

import { Badge } from "./ui/badge";

/** A run's state as a word with a dot (which beats while it is at work). */
export function StateBadge({ state }: { state: RunState }) {
  const { label, tone, says } = STATES[state];
  return (
    <Badge tone={tone} title={says}>
      <span
        aria-hidden
        className={cn("size-1.5 rounded-full bg-current", state === "running" && "animate-pulse")}
      />
      {label}
    </Badge>
  );
}
