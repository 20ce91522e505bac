"use client";

import "./tokens.css";

import { Fragment, memo, type PointerEvent, useEffect, useId, useMemo, useRef } from "react";

import {
  overlapping,
  paint,
  type Painted,
  partialText,
  partsOf,
  Places,
  samePaint,
  visible,
} from "@/lib/tokenizer-text";
import type { ShownToken } from "@/lib/tokenizer-types";
import { cn } from "@/lib/utils";

const LONG = 20;

export interface TokenTextProps {
  label: string;
  text: string;
  tokens: readonly ShownToken[];
  /** Show the ids in place of the text. */
  ids?: boolean;
  /** Show signs for white space. */
  signs?: boolean;
  /** Tokens to underline. */
  marked?: ReadonlySet<number>;
  /** The text of tokens that are new. */
  fresh?: string | null;
  /** The token that is open. */
  active?: number | null;
  /** Characters whose tokens are lit. */
  near?: readonly [number, number] | null;
  onPeek?: (index: number | null) => void;
  onPick?: (index: number) => void;
  className?: string;
}

/**
 * A text as its tokens in colour. One listener serves them all, and what is lit is lit in the page itself, so
 * that thousands of tokens stay as quick as ten.
 */
export function TokenText({
  label,
  text,
  tokens,
  ids = false,
  signs = true,
  marked,
  fresh = null,
  active = null,
  near = null,
  onPeek,
  onPick,
  className,
}: TokenTextProps) {
  const prefix = useId();
  const box = useRef<HTMLDivElement>(null);
  const painted = useMemo(() => paint(tokens, new Places(text)), [tokens, text]);
  const element = (index: number) => box.current?.querySelector(`[data-i="${index}"]`);

  useEffect(() => {
    if (active === null) return undefined;
    const found = box.current?.querySelector(`[data-i="${active}"]`);
    found?.setAttribute("data-on", "");
    found?.setAttribute("aria-selected", "true");
    return () => {
      found?.removeAttribute("data-on");
      found?.setAttribute("aria-selected", "false");
    };
  }, [active, painted, ids]);

  const [start, end] = near ?? [0, 0];
  useEffect(() => {
    if (start === end) return undefined;
    const [from, to] = overlapping(tokens, start, end);
    const found = Array.from({ length: to - from }, (_, at) =>
      box.current?.querySelector(`[data-i="${from + at}"]`),
    );
    for (const item of found) item?.setAttribute("data-near", "");
    return () => found.forEach((item) => item?.removeAttribute("data-near"));
  }, [start, end, tokens, ids]);

  const indexOf = (target: EventTarget): number | null => {
    const at = (target as Element).closest?.("[data-i]")?.getAttribute("data-i");
    return at === null || at === undefined ? null : Number(at);
  };
  const move = (to: number) => {
    const next = Math.min(tokens.length - 1, Math.max(0, to));
    onPick?.(next);
    element(next)?.scrollIntoView({ block: "nearest" });
  };
  const onKey = (event: React.KeyboardEvent) => {
    const now = active ?? -1;
    const steps: Record<string, number> = {
      ArrowRight: now + 1,
      ArrowDown: now + 1,
      ArrowLeft: now - 1,
      ArrowUp: now - 1,
      Home: 0,
      End: tokens.length - 1,
      PageDown: now + 20,
      PageUp: now - 20,
    };
    const to = steps[event.key];
    if (to === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    move(to);
  };
  const peek = (event: PointerEvent) => {
    if (event.pointerType !== "mouse") return;
    const index = indexOf(event.target);
    if (index !== null) onPeek?.(index);
  };

  return (
    <div
      ref={box}
      role="listbox"
      tabIndex={0}
      aria-label={label}
      aria-activedescendant={active === null || !tokens[active] ? undefined : `${prefix}${active}`}
      className={cn("tokens rounded-sm", ids && "ids", className)}
      onPointerOver={onPeek && peek}
      onPointerLeave={onPeek && (() => onPeek(null))}
      onClick={(event) => {
        const index = indexOf(event.target);
        if (index !== null) onPick?.(index);
      }}
      onKeyDown={onPick && onKey}
    >
      <Spans painted={painted} prefix={prefix} ids={ids} signs={signs} marked={marked} fresh={fresh} />
    </div>
  );
}

interface SpansProps {
  painted: readonly Painted[];
  prefix: string;
  ids: boolean;
  signs: boolean;
  marked?: ReadonlySet<number>;
  fresh: string | null;
}

const CHUNK = 64;

/** In chunks, so that typing at the end of a long text draws its last tokens only. */
const Spans = memo(function Spans({ painted, ...props }: SpansProps) {
  const chunks: Painted[][] = [];
  for (let at = 0; at < painted.length; at += CHUNK) chunks.push(painted.slice(at, at + CHUNK));
  return chunks.map((items, at) => <Chunk key={at} painted={items} {...props} />);
});

const Chunk = memo(
  function Chunk({ painted, prefix, ids, signs, marked, fresh }: SpansProps) {
    return painted.map((item) => {
      const { first, whole, hue, rightToLeft } = item;
      const tokens = item.tokens.map((token, at) => {
        const index = first + at;
        const unseen = whole === null && !token.text.trim();
        return (
          <span
            key={index}
            id={`${prefix}${index}`}
            role="option"
            data-i={index}
            aria-selected={false}
            aria-label={
              ids
                ? undefined
                : whole !== null
                  ? `part ${at + 1} of ${item.tokens.length}`
                  : unseen
                    ? "white space"
                    : undefined
            }
            className={cn(
              "tok",
              item.shades[at] && "shade",
              (!rightToLeft || ids || whole !== null) && "ltr",
              token.text.length > LONG && !ids && whole === null && "long",
              token.special && "special",
              marked?.has(index) && "only",
              fresh !== null && token.text === fresh && !token.partial && "fresh",
              whole === null && `hue-${hue}`,
            )}
          >
            {ids ? (
              token.id
            ) : whole === null ? (
              <Text text={token.text} signs={signs} />
            ) : token.bytes ? (
              partialText(token.bytes)
            ) : (
              "•"
            )}
          </span>
        );
      });
      if (whole === null) {
        return (
          <Fragment key={first}>
            {item.breakable ? <wbr /> : null}
            {tokens}
            {ids ? " " : null}
          </Fragment>
        );
      }
      const glyph = visible(whole);
      return (
        <Fragment key={first}>
          {rightToLeft && !ids ? RIGHT_TO_LEFT : null}
          <span role="group" aria-label={`parts of ${glyph}`} className={cn("broken", `hue-${hue}`)}>
            <b aria-hidden className={glyph === whole ? undefined : "unseen"}>
              {glyph}
            </b>
            {tokens}
          </span>
          {rightToLeft && !ids ? RIGHT_TO_LEFT : null}
          {whole.includes("\n") ? <br /> : null}
        </Fragment>
      );
    });
  },
  (before, after) =>
    before.prefix === after.prefix &&
    before.ids === after.ids &&
    before.signs === after.signs &&
    before.marked === after.marked &&
    before.fresh === after.fresh &&
    samePaint(before.painted, after.painted),
);

/** A mark that tells the browser which way a line of boxes runs. */
const RIGHT_TO_LEFT = "\u200f";

function Text({ text, signs }: { text: string; signs: boolean }) {
  return partsOf(text, signs).map((part, at) =>
    part.unseen ? (
      <Fragment key={at}>
        {part.text ? <i aria-hidden>{part.text}</i> : null}
        {part.breaks ? "\n" : null}
      </Fragment>
    ) : (
      part.text
    ),
  );
}
