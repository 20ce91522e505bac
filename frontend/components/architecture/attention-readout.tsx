"use client";

import { useMemo, useSyncExternalStore } from "react";

import { watchSlowly } from "@/lib/attention-hover";
import { formatWeight, strongest } from "@/lib/attention-view";
import { visible } from "@/lib/tokenizer-text";

import { type AttentionTextProps, focusOf, valuesFor } from "./attention-arcs";

const SHOWN = 5;
const READ_MS = 60;

/** In words what the map shows under the pointer: one value, and the strongest of its row. */
export function AttentionReadout({ looks, ...props }: Omit<AttentionTextProps, "onPick" | "className">) {
  const watch = useMemo(() => watchSlowly(looks, READ_MS), [looks]);
  const look = useSyncExternalStore(watch, looks.snapshot, () => null);
  const { tokens, pinned, direction, values } = props;
  const { at, to } = focusOf(look, pinned, direction);
  const all = valuesFor(at, props);
  const top = strongest(all, SHOWN, 0.0005);
  const [main = null, ...others] = to === null ? top : [null, ...top];
  const seen = to === null ? (main?.index ?? null) : to;
  const value =
    to === null ? (main?.value ?? null) : direction === "to" ? values.at(at, to) : values.at(to, at);
  const verb = direction === "to" ? "looks" : "is looked at";
  return (
    <div aria-live="polite" className="flex min-h-13 flex-col gap-1 text-sm [contain:content]">
      <p className="flex flex-wrap items-baseline gap-x-1.5 gap-y-0.5">
        <Name text={tokens[at]?.text} index={at} strong />
        <span className="text-muted">
          {verb} {to === null ? "most " : ""}
          {direction === "to" ? "at" : "by"}
        </span>
        {seen === null ? (
          <span className="text-muted">nothing in the part that is shown</span>
        ) : (
          <>
            <Name text={tokens[seen]?.text} index={seen} strong />
            <span className="font-mono font-medium figures">{formatWeight(value)}</span>
          </>
        )}
      </p>
      <p className="flex flex-wrap items-baseline gap-x-3 gap-y-0.5 text-xs">
        {others.length ? <span className="text-muted">{to === null ? "then" : "strongest"}</span> : null}
        {others.map((item) =>
          item ? (
            <span key={item.index} className="inline-flex items-baseline gap-1">
              <Name text={tokens[item.index]?.text} index={item.index} />
              <span className="font-mono text-muted figures">{formatWeight(item.value)}</span>
            </span>
          ) : null,
        )}
      </p>
    </div>
  );
}

/** A token with its place. */
export function Name({
  text,
  index,
  strong = false,
}: {
  text: string | undefined;
  index: number;
  strong?: boolean;
}) {
  return (
    <span className="inline-flex max-w-48 items-baseline gap-1">
      <span
        dir="auto"
        className={`min-w-0 truncate rounded-sm bg-surface-2 px-1 font-mono ${strong ? "font-medium text-foreground" : ""}`}
      >
        {text === undefined ? "–" : visible(text)}
      </span>
      <span className="text-xs text-muted figures">{index}</span>
    </span>
  );
}
