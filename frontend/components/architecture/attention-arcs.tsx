"use client";

import "./heat.css";

import { Fragment, memo, useEffect, useId, useRef } from "react";

import type { LabToken } from "@/lib/architecture-types";
import type { Look, LookStore } from "@/lib/attention-hover";
import { TextShader } from "@/lib/attention-shader";
import type { MapValues } from "@/lib/attention-view";
import { partsOf } from "@/lib/tokenizer-text";
import { cn } from "@/lib/utils";

import { inks } from "./attention-paint";
import { useWidth } from "./use-width";
import { useThemeClass } from "./use-theme-class";

export type Direction = "to" | "from";

const LONG = 24;

export interface AttentionTextProps {
  tokens: readonly LabToken[];
  values: MapValues;
  /** The whole row of the pinned token, where the map holds a part of it only. */
  pinnedValues?: readonly (number | null)[] | null;
  pinned: number;
  direction: Direction;
  withoutFirst: boolean;
  looks: LookStore;
  onPick: (index: number) => void;
  className?: string;
}

/** The values that belong to a token: what it looks at, or who looks at it. */
export function valuesFor(
  index: number,
  {
    tokens,
    values,
    pinnedValues,
    pinned,
    direction,
    withoutFirst,
  }: Omit<AttentionTextProps, "looks" | "onPick">,
): (number | null)[] {
  const found =
    index === pinned && pinnedValues
      ? [...pinnedValues]
      : direction === "to"
        ? values.row(index, tokens.length)
        : values.column(index, tokens.length);
  if (withoutFirst && direction === "to") found[0] = null;
  return found;
}

/**
 * The text as tokens, each shaded by how much the token under the pointer looks at it, with arcs to the strongest.
 * What changes with the pointer is written into the page itself, so that hundreds of tokens stay quick.
 */
export function AttentionText(props: AttentionTextProps) {
  const { tokens, pinned, looks, onPick, direction, className } = props;
  const prefix = useId();
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const [measured, width] = useWidth<HTMLDivElement>(0);
  const theme = useThemeClass();
  const latest = useRef(props);
  useEffect(() => {
    latest.current = props;
  });

  useEffect(() => {
    const target = box.current;
    const drawing = canvas.current;
    if (!target || !drawing) return undefined;
    const spans = Array.from(target.querySelectorAll<HTMLElement>("[data-i]"));
    const shader = new TextShader(target, spans, drawing, {
      ground: inks().surface2,
      most: inks().lookMost,
      arc: inks().accent,
    });
    let of = -1;
    let values: (number | null)[] = [];
    const show = (look: Look | null) => {
      const { at, to } = focusOf(look, latest.current.pinned, latest.current.direction);
      if (at !== of) values = valuesFor(at, latest.current);
      of = at;
      shader.show(at, to, values);
    };
    show(looks.snapshot());
    return looks.watch(show);
  }, [looks, tokens, props.values, props.pinnedValues, pinned, direction, props.withoutFirst, width, theme]);

  useEffect(() => {
    const target = box.current;
    const token = target?.querySelector<HTMLElement>(`[data-i="${pinned}"]`);
    if (!target || !token) return;
    const below = token.offsetTop + token.offsetHeight + 8 - target.clientHeight;
    if (target.scrollTop < below) target.scrollTop = below;
    else if (target.scrollTop > token.offsetTop - 24) target.scrollTop = Math.max(0, token.offsetTop - 24);
  }, [pinned, tokens, width]);

  const indexOf = (target: EventTarget): number | null => {
    const at = (target as Element).closest?.("[data-i]")?.getAttribute("data-i");
    return at === null || at === undefined ? null : Number(at);
  };
  const onKey = (event: React.KeyboardEvent) => {
    const to: Record<string, number> = {
      ArrowRight: pinned + 1,
      ArrowDown: pinned + 1,
      ArrowLeft: pinned - 1,
      ArrowUp: pinned - 1,
      Home: 0,
      End: tokens.length - 1,
    };
    const next = to[event.key];
    if (next === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    looks.set(null);
    onPick(Math.min(tokens.length - 1, Math.max(0, next)));
  };

  return (
    <div ref={measured}>
      <div
        ref={box}
        role="listbox"
        tabIndex={0}
        dir="auto"
        aria-label={
          direction === "to"
            ? "Choose a token to see where it looks"
            : "Choose a token to see who looks at it"
        }
        aria-activedescendant={`${prefix}${pinned}`}
        className={cn("looks rounded-sm", className)}
        onPointerOver={(event) => {
          const index = event.pointerType === "mouse" ? indexOf(event.target) : null;
          if (index !== null)
            looks.set(direction === "to" ? { row: index, column: null } : { row: null, column: index });
        }}
        onPointerLeave={(event) => event.pointerType === "mouse" && looks.set(null)}
        onClick={(event) => {
          const index = indexOf(event.target);
          if (index !== null) onPick(index);
        }}
        onKeyDown={onKey}
      >
        <canvas ref={canvas} aria-hidden />
        <Spans tokens={tokens} prefix={prefix} pinned={pinned} />
      </div>
    </div>
  );
}

const Spans = memo(function Spans({
  tokens,
  prefix,
  pinned,
}: {
  tokens: readonly LabToken[];
  prefix: string;
  pinned: number;
}) {
  return tokens.map(({ text }, index) => (
    <Fragment key={index}>
      <wbr />
      <span
        id={`${prefix}${index}`}
        role="option"
        aria-selected={index === pinned}
        aria-label={text.trim() ? undefined : "white space"}
        data-i={index}
        className={text.length > LONG ? "long" : undefined}
      >
        {partsOf(text, true).map((part, at) => (part.unseen ? <i key={at}>{part.text}</i> : part.text))}
      </span>
      {text.includes("\n") ? <br /> : null}
    </Fragment>
  ));
});

/** Which token is looked from, and the one it is seen with. */
export function focusOf(
  look: Look | null,
  pinned: number,
  direction: Direction,
): { at: number; to: number | null } {
  const [own, other] = direction === "to" ? [look?.row, look?.column] : [look?.column, look?.row];
  if (own !== null && own !== undefined) return { at: own, to: other ?? null };
  return { at: pinned, to: null };
}
