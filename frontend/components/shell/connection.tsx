"use client";

import { Unplug } from "lucide-react";

import { useConnectionLost } from "@/lib/queries";

/** Says over every page that the program is gone, and what to do; a short break says nothing. */
export function Connection() {
  if (!useConnectionLost()) return null;
  return (
    <div
      role="alert"
      className="fixed top-16 left-1/2 z-40 flex w-max max-w-[calc(100vw-32px)] -translate-x-1/2 animate-in items-start gap-2.5 rounded-lg border border-border-strong bg-surface px-3.5 py-2.5 shadow-xl delay-1000 fade-in-0 fill-mode-both"
    >
      <Unplug className="mt-0.5 size-4 shrink-0 text-bad" aria-hidden />
      <p className="text-sm text-pretty">
        <span className="font-medium">The program does not answer.</span> Start it with{" "}
        <code className="font-mono">make run</code>; this page goes on by itself.
      </p>
    </div>
  );
}
