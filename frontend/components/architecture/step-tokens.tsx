"use client";

import "./heat.css";

import { Fragment, useId, useRef } from "react";

import type { LabToken } from "@/lib/architecture-types";
import { partsOf } from "@/lib/tokenizer-text";
import { cn } from "@/lib/utils";

/** The tokens of a text, one of them chosen: by click, or with the arrow keys. */
export function StepTokens({
  tokens,
  at,
  onPick,
  className,
}: {
  tokens: readonly LabToken[];
  at: number;
  onPick: (index: number) => void;
  className?: string;
}) {
  const prefix = useId();
  const box = useRef<HTMLDivElement>(null);
  const onKey = (event: React.KeyboardEvent) => {
    const to: Record<string, number> = {
      ArrowRight: at + 1,
      ArrowDown: at + 1,
      ArrowLeft: at - 1,
      ArrowUp: at - 1,
      Home: 0,
      End: tokens.length - 1,
    };
    const next = to[event.key];
    if (next === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const index = Math.min(tokens.length - 1, Math.max(0, next));
    onPick(index);
    box.current?.querySelector(`[data-i="${index}"]`)?.scrollIntoView({ block: "nearest" });
  };
  return (
    <div
      ref={box}
      role="listbox"
      tabIndex={0}
      dir="auto"
      aria-label="The token to follow"
      aria-activedescendant={`${prefix}${at}`}
      className={cn("looks close rounded-sm", className)}
      onKeyDown={onKey}
      onClick={(event) => {
        const place = (event.target as Element).closest("[data-i]")?.getAttribute("data-i");
        if (place) onPick(Number(place));
      }}
    >
      {tokens.map(({ text }, index) => (
        <Fragment key={index}>
          <wbr />
          <span
            id={`${prefix}${index}`}
            role="option"
            aria-selected={index === at}
            aria-label={text.trim() ? undefined : "white space"}
            data-i={index}
            data-at={index === at ? "" : undefined}
          >
            {partsOf(text, true).map((part, place) =>
              part.unseen ? <i key={place}>{part.text}</i> : part.text,
            )}
          </span>
          {text.includes("\n") ? <br /> : null}
        </Fragment>
      ))}
    </div>
  );
}
