"use client";

import { Check, Pause } from "lucide-react";
import Link from "next/link";
import type { ReactNode } from "react";

import type { Station, StationKind } from "@/lib/road";
import { cn } from "@/lib/utils";

import { Vignette } from "./vignette";

/**
 * The road of a model: from text to a reply, as a line that fills while a run proceeds. Horizontal on wide
 * windows, vertical on phones.
 */
export function Road({
  stations,
  selected,
  onSelect,
  chatHref,
  label = "The road of a model",
}: {
  stations: readonly Station[];
  /** Key of the station that is open below. */
  selected?: StationKind | null;
  /** Makes the stations that have a run into buttons. */
  onSelect?: (station: Station) => void;
  /** Where the last station leads once the model can talk. */
  chatHref?: string | null;
  label?: string;
}) {
  return (
    <ol aria-label={label} className="grid grid-cols-1 lg:auto-cols-fr lg:grid-flow-col lg:grid-cols-none">
      {stations.map((station, place) => (
        <li key={station.key} className="relative min-w-0">
          {place < stations.length - 1 ? <Segment station={station} /> : null}
          <Stop
            station={station}
            open={selected === station.kind}
            onSelect={onSelect && station.run ? () => onSelect(station) : undefined}
            href={station.kind === "chat" && station.state === "done" ? chatHref : null}
          />
        </li>
      ))}
    </ol>
  );
}

/** The way from one stop to the next, filled as far as the work is. */
function Segment({ station }: { station: Station }) {
  const share = station.state === "done" ? 1 : station.share;
  return (
    <span
      aria-hidden
      className="pointer-events-none absolute top-9 -bottom-2 left-[21px] z-10 w-0.5 bg-border-strong lg:top-[97px] lg:right-[-8px] lg:bottom-auto lg:left-9 lg:h-0.5 lg:w-auto"
    >
      <span
        className="absolute inset-0 origin-top [transform:scaleY(var(--share))] bg-accent transition-transform duration-150 lg:origin-left lg:[transform:scaleX(var(--share))]"
        style={{ "--share": share } as React.CSSProperties}
      />
    </span>
  );
}

const STATE_WORDS = { ahead: "still ahead", active: "at work", done: "done", halted: "halted" } as const;

function Stop({
  station,
  open,
  onSelect,
  href,
}: {
  station: Station;
  open: boolean;
  onSelect?: () => void;
  href?: string | null;
}) {
  const shape = cn(
    "group relative flex w-full items-start gap-3 rounded-lg p-2 text-left lg:flex-col lg:gap-0",
    (onSelect || href) && "hover:bg-surface-2",
    open && "bg-accent-soft hover:bg-accent-soft",
  );
  const inside = (
    <>
      <span className="order-3 ml-auto shrink-0 lg:order-none lg:mb-3 lg:ml-0">
        <Vignette kind={station.kind} state={station.state} />
      </span>
      <Node station={station} />
      <span className="min-w-0 lg:mt-2.5 lg:pr-2">
        <span className="block text-base font-medium">{station.title}</span>
        <span
          className={cn(
            "block text-sm text-balance figures",
            station.state === "active" ? "text-accent-ink" : "text-muted",
          )}
        >
          {station.note}
        </span>
        <span className="sr-only">{STATE_WORDS[station.state]}</span>
      </span>
    </>
  );
  if (href) {
    return (
      <Link href={href} className={shape}>
        {inside}
      </Link>
    );
  }
  if (onSelect) {
    return (
      <button type="button" onClick={onSelect} aria-pressed={open} className={shape}>
        {inside}
      </button>
    );
  }
  return <div className={shape}>{inside}</div>;
}

function Node({ station }: { station: Station }) {
  const { state, share } = station;
  const length = 2 * Math.PI * 11;
  let inside: ReactNode = null;
  if (state === "done") inside = <Check className="size-3.5 text-on-accent" strokeWidth={3} />;
  if (state === "halted") inside = <Pause className="size-3 text-warn" strokeWidth={3} />;
  if (state === "active") inside = <span className="size-2 animate-pulse rounded-full bg-accent" />;
  return (
    <span
      aria-hidden
      className={cn(
        "relative z-10 grid size-7 shrink-0 place-items-center rounded-full border-2",
        state === "done" ? "border-accent bg-accent" : "border-border-strong bg-surface",
        state === "halted" && "border-warn",
        state === "active" && "border-transparent",
      )}
    >
      {state === "active" ? (
        <svg viewBox="0 0 28 28" className="absolute -inset-0.5 -rotate-90">
          <circle cx="14" cy="14" r="11" fill="none" strokeWidth="2.5" className="stroke-border-strong" />
          <circle
            cx="14"
            cy="14"
            r="11"
            fill="none"
            strokeWidth="2.5"
            strokeLinecap="round"
            strokeDasharray={length}
            strokeDashoffset={length * (1 - share)}
            className="stroke-accent"
          />
        </svg>
      ) : null}
      {inside}
    </span>
  );
}
