"use client";

import { PanelLeftClose, PanelLeftOpen } from "lucide-react";
import Link from "next/link";
import { usePathname } from "next/navigation";

import { Tip } from "@/components/ui/tooltip";
import { useConnectionLost, useHealth } from "@/lib/queries";
import { cn } from "@/lib/utils";

import { Logo } from "./logo";
import { PLACES, placeOf } from "./navigation";

/** The way through the app; in a sheet on phones. */
export function Rail({
  narrow = false,
  onToggle,
  onGo,
}: {
  narrow?: boolean;
  onToggle?: () => void;
  onGo?: () => void;
}) {
  const current = placeOf(usePathname());
  return (
    <div className="flex h-full flex-col px-3 py-3.5">
      <Link
        href="/"
        onClick={onGo}
        aria-label="LLM Playground, home"
        className="mb-5 flex h-8 items-center gap-2.5 rounded-lg px-0.5 font-semibold tracking-tight"
      >
        <Logo className="size-8 shrink-0" />
        {narrow ? null : <span className="truncate">LLM Playground</span>}
      </Link>
      <nav aria-label="Pages">
        <ul className="flex flex-col gap-0.5">
          {PLACES.map((place) => {
            const here = place === current;
            const link = (
              <Link
                href={place.href}
                onClick={onGo}
                aria-current={here ? "page" : undefined}
                aria-label={narrow ? place.title : undefined}
                className={cn(
                  "flex h-9 items-center gap-2.5 rounded-lg px-2.5 text-base",
                  here
                    ? "bg-accent-soft font-medium text-accent-ink"
                    : "text-muted hover:bg-surface-2 hover:text-foreground",
                )}
              >
                <place.icon className="size-4 shrink-0" aria-hidden />
                {narrow ? null : place.title}
              </Link>
            );
            return (
              <li key={place.href}>
                {narrow ? (
                  <Tip text={place.title} side="right">
                    {link}
                  </Tip>
                ) : (
                  link
                )}
              </li>
            );
          })}
        </ul>
      </nav>
      <div className="mt-auto flex flex-col gap-1">
        <ServerState narrow={narrow} />
        {onToggle ? (
          <button
            type="button"
            onClick={onToggle}
            aria-label={narrow ? "Unfold the side rail" : "Fold the side rail"}
            className="flex h-9 items-center gap-2.5 rounded-lg px-2.5 text-sm text-muted hover:bg-surface-2 hover:text-foreground"
          >
            {narrow ? <PanelLeftOpen className="size-4" /> : <PanelLeftClose className="size-4" />}
            {narrow ? null : "Fold"}
          </button>
        ) : null}
      </div>
    </div>
  );
}

function ServerState({ narrow }: { narrow: boolean }) {
  const health = useHealth();
  const lost = useConnectionLost();
  const words = lost ? "Not connected" : health.data ? `Version ${health.data.version}` : "Connecting";
  return (
    <div
      role="status"
      aria-label={lost ? "The program does not answer; trying again" : "Connected to the program"}
      className="flex h-8 items-center gap-2.5 px-2.5 text-sm text-muted"
    >
      <span className="grid size-4 place-items-center" aria-hidden>
        <span
          className={cn(
            "size-2 rounded-full",
            lost ? "bg-bad" : health.data ? "bg-good" : "bg-border-strong",
          )}
        />
      </span>
      {narrow ? null : <span className="truncate">{words}</span>}
    </div>
  );
}
