"use client";

import { ChevronDown } from "lucide-react";
import { type ReactNode, useId, useState } from "react";

import { Card } from "@/components/ui/card";
import { cn } from "@/lib/utils";

const KEY = "llmp-run-sections";

function remembered(): Record<string, boolean> {
  try {
    const found: unknown = JSON.parse(localStorage.getItem(KEY) ?? "{}");
    return found !== null && typeof found === "object" ? (found as Record<string, boolean>) : {};
  } catch {
    return {}; // no storage, or something else's
  }
}

/** A part of a run's page that is folded until one wants it; what is inside is made, and read, only then. */
export function Section({
  name,
  title,
  note,
  children,
}: {
  /** Under which the choice is remembered. */
  name: string;
  title: string;
  note?: ReactNode;
  children: ReactNode;
}) {
  const [open, setOpen] = useState(() => remembered()[name] ?? false);
  const body = useId();
  const toggle = () => {
    setOpen(!open);
    try {
      localStorage.setItem(KEY, JSON.stringify({ ...remembered(), [name]: !open }));
    } catch {
      // it is folded as asked, though not remembered
    }
  };
  return (
    <Card className="overflow-hidden">
      <h2>
        <button
          type="button"
          aria-expanded={open}
          aria-controls={open ? body : undefined}
          onClick={toggle}
          className="flex min-h-12 w-full items-center gap-x-3 px-4 py-2 text-left hover:bg-surface-2 focus-visible:outline-offset-[-3px] sm:px-5"
        >
          <span className="text-base font-semibold">{title}</span>{" "}
          {note ? <span className="min-w-0 truncate text-sm text-muted figures">{note}</span> : null}
          <ChevronDown
            aria-hidden
            className={cn(
              "ml-auto size-4 shrink-0 text-muted transition-transform duration-100",
              open && "rotate-180",
            )}
          />
        </button>
      </h2>
      {open ? (
        <div id={body} className="border-t">
          {children}
        </div>
      ) : null}
    </Card>
  );
}

/** How to have a part's figures, where a run was not asked to measure them. */
export function NotMeasured({ what, alive }: { what: string; alive: boolean }) {
  return (
    <p className="px-4 py-8 text-center text-pretty text-muted sm:px-5">
      {alive ? "So far this run has" : "This run has"} no {what}. They are measured every few steps where{" "}
      <code className="rounded-sm bg-surface-2 px-1 font-mono text-xs">instruments_every</code> is above 0:
      set it for a new run under Validation and checkpoints, or with{" "}
      <code className="rounded-sm bg-surface-2 px-1 font-mono text-xs">--training.instruments-every 50</code>.
    </p>
  );
}
