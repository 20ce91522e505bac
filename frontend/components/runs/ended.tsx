import { CirclePause, CircleX } from "lucide-react";

import type { Run } from "@/lib/types";

const TITLES = {
  failed: "The run failed",
  died: "The run ended without a word",
  stopped: "The run was stopped",
} as const;

/** Why a run ended early, and what to do about it, in clear words. */
export function Ended({ run, quiet = false }: { run: Run; quiet?: boolean }) {
  const { state, error } = run;
  if (state !== "failed" && state !== "died" && state !== "stopped") return null;
  const bad = state !== "stopped";
  return (
    <div
      role={bad && !quiet ? "alert" : undefined}
      className={`flex items-start gap-3 rounded-xl px-4 py-3 sm:px-5 ${bad ? "bg-bad-soft" : "bg-surface-2"}`}
    >
      {bad ? (
        <CircleX className="mt-0.5 size-4 shrink-0 text-bad" aria-hidden />
      ) : (
        <CirclePause className="mt-0.5 size-4 shrink-0 text-muted" aria-hidden />
      )}
      <div className="min-w-0 flex-1">
        <p className="font-medium">{TITLES[state]}</p>
        <p className="text-pretty break-words">
          {error?.message ?? (bad ? "It gave no reason." : "What it had learned was saved.")}{" "}
          {error?.hint ?? (run.resumable ? "Resume it to go on from there." : null)}
        </p>
        {error?.detail ? (
          <details className="mt-2">
            <summary className="w-fit rounded-sm text-sm text-muted hover:text-foreground">
              Technical detail
            </summary>
            <pre className="mt-2 max-h-64 overflow-auto font-mono text-xs whitespace-pre-wrap">
              {error.detail}
            </pre>
          </details>
        ) : null}
      </div>
    </div>
  );
}
