"use client";

import "./heat.css";

import { memo, useId, useLayoutEffect, useMemo, useRef } from "react";

import type { Grid } from "@/lib/architecture-queries";
import type { HeadPattern } from "@/lib/architecture-types";
import { MIXED, patternTitle, patternWord, scoreText, shortPattern } from "@/lib/attention-patterns";
import { cn } from "@/lib/utils";

import { paintThumbnails } from "./head-paint";
import { useWidth } from "./use-width";
import { useThemeClass } from "./use-theme-class";

const GAPS = { few: 6, many: 4 };
const MANY = 8;
const SIDE = 26; // the layers' numbers
const SMALLEST = 30;
const LARGEST = 132;
const WORDY = 74; // from this width on a head says its pattern in a word
const LINE = 20; // what is said below a picture
const WHOLE_LAYER = 84;

/** Where the pictures stand: a line for each layer, or the layers one after the other where each has one picture. */
function gridOf(width: number, layers: number, columns: number) {
  const gap = columns > MANY ? GAPS.many : GAPS.few;
  const perLine = columns > 1 ? columns : Math.max(1, Math.floor((width + gap) / (WHOLE_LAYER + gap)));
  const side = columns > 1 ? SIDE : 0;
  const room = Math.floor((width - side - gap * (perLine - 1)) / perLine);
  const cell =
    columns > 1 ? Math.min(LARGEST, Math.max(SMALLEST, room)) : Math.max(SMALLEST, Math.min(room, 100));
  const lines = columns > 1 ? layers : Math.ceil(layers / perLine);
  const high = cell + LINE + GAPS.few;
  const spot = (at: number) => ({ x: (at % perLine) * (cell + gap), y: Math.floor(at / perLine) * high });
  return {
    cell,
    side,
    width: perLine * (cell + gap) - gap,
    height: lines * high,
    place: (layer: number, head: number) => spot(columns > 1 ? layer * columns + head : layer),
  };
}

export interface HeadGridProps {
  layers: number;
  heads: number;
  /** One entry for each layer and head, in order. */
  patterns: readonly HeadPattern[];
  /** Pictures of [layers, heads or 1, size, size]; null while they are on their way. */
  thumbnails: Grid<Uint8Array> | null;
  selected: { layer: number; head: number };
  onSelect: (layer: number, head: number) => void;
  /** Which heads stand out; the others fade. */
  match: (pattern: HeadPattern) => boolean;
  /** Leave the first token out, and scale by what remains. */
  withoutFirst: boolean;
  /** Whether tokens see only what stands before them: the other half is then blank. */
  causal: boolean;
  stale?: boolean;
}

/**
 * All heads as pictures, a row for each layer, on one canvas behind the buttons that open them. The arrow keys go
 * from head to head, Home and End along a layer.
 */
export const HeadGrid = memo(function HeadGrid({
  layers,
  heads,
  patterns,
  thumbnails,
  selected,
  onSelect,
  match,
  withoutFirst,
  causal,
  stale = false,
}: HeadGridProps) {
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const name = useId();
  const [measured, width] = useWidth<HTMLDivElement>(0);
  const theme = useThemeClass();
  const columns = thumbnails?.shape[1] === 1 ? 1 : heads;
  const grid = useMemo(() => gridOf(width, layers, columns), [width, layers, columns]);
  const { cell, side, place } = grid;
  const wordy = cell >= WORDY;
  const byHead = useMemo(
    () => new Map(patterns.map((pattern) => [`${pattern.layer}.${pattern.head}`, pattern])),
    [patterns],
  );

  useLayoutEffect(() => {
    const target = canvas.current;
    if (!target || !thumbnails || width === 0) return;
    paintThumbnails(target, thumbnails, { ...grid, withoutFirst, causal });
  }, [thumbnails, grid, withoutFirst, causal, theme, width]);

  const at = columns === 1 ? { ...selected, head: 0 } : selected;
  const go = (layer: number, head: number) => {
    onSelect(layer, head);
    box.current
      ?.querySelector<HTMLElement>(`[data-layer="${layer}"][data-head="${head}"]`)
      ?.focus({ preventScroll: false });
  };
  const onKey = (event: React.KeyboardEvent) => {
    const { layer, head } = at;
    const along = columns === 1 ? [1, 0] : [0, 1]; // pictures of whole layers stand in one line
    const to: Record<string, [number, number]> = {
      ArrowRight: [layer + along[0]!, head + along[1]!],
      ArrowLeft: [layer - along[0]!, head - along[1]!],
      ArrowDown: [layer + 1, head],
      ArrowUp: [layer - 1, head],
      Home: [layer, 0],
      End: [layer, columns - 1],
      PageUp: [0, head],
      PageDown: [layers - 1, head],
    };
    const next = to[event.key];
    if (!next || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    go(Math.min(layers - 1, Math.max(0, next[0])), Math.min(columns - 1, Math.max(0, next[1])));
  };

  return (
    <div
      ref={measured}
      className="max-h-[70vh] min-h-40 overflow-auto overscroll-contain lg:max-h-none"
      tabIndex={-1}
    >
      <div
        ref={box}
        role="grid"
        aria-label="Heads"
        aria-describedby={name}
        onKeyDown={onKey}
        className={cn("relative transition-opacity duration-100", stale && "opacity-50")}
        style={{ width: side + grid.width, height: grid.height }}
      >
        <span id={name} className="sr-only">
          A row is a layer, a column a head. The arrow keys go from head to head.
        </span>
        <canvas
          ref={canvas}
          aria-hidden
          className="pointer-events-none absolute top-0"
          style={{ left: side, width: grid.width, height: grid.height }}
        />
        {Array.from({ length: layers }, (_, layer) => (
          <div key={layer} role="row" aria-rowindex={layer + 1}>
            {columns > 1 || heads === 1 ? (
              <span
                role="rowheader"
                title={`Layer ${layer}`}
                className="absolute left-0 text-xs text-muted figures"
                style={{ top: place(layer, 0).y + cell / 2 - 8, width: side - 4 }}
              >
                <span className="sr-only">Layer </span>
                {layer}
              </span>
            ) : null}
            {Array.from({ length: columns }, (_, head) => (
              <Cell
                key={head}
                layer={layer}
                head={head}
                all={columns === 1 && heads > 1}
                pattern={byHead.get(`${layer}.${head}`)}
                faded={columns > 1 && !matches(match, byHead.get(`${layer}.${head}`))}
                on={at.layer === layer && at.head === head}
                wordy={wordy}
                left={side + place(layer, head).x}
                top={place(layer, head).y}
                size={cell}
                onSelect={onSelect}
              />
            ))}
          </div>
        ))}
      </div>
    </div>
  );
});

const matches = (match: (pattern: HeadPattern) => boolean, pattern: HeadPattern | undefined): boolean =>
  pattern === undefined || match(pattern);

const Cell = memo(function Cell({
  layer,
  head,
  all,
  pattern,
  faded,
  on,
  wordy,
  left,
  top,
  size,
  onSelect,
}: {
  layer: number;
  head: number;
  all: boolean;
  pattern: HeadPattern | undefined;
  faded: boolean;
  on: boolean;
  wordy: boolean;
  left: number;
  top: number;
  size: number;
  onSelect: (layer: number, head: number) => void;
}) {
  const label = pattern && !all ? patternTitle(pattern.label) : null;
  const score = pattern && !all ? scoreText(pattern) : null;
  const spoken = [
    `Layer ${layer}, ${all ? "all heads" : `head ${head}`}`,
    label ? `${label} ${score}`.trim() : null,
  ];
  return (
    <div role="gridcell" aria-colindex={head + 1} aria-selected={on}>
      <button
        type="button"
        data-layer={layer}
        data-head={head}
        tabIndex={on ? 0 : -1}
        title={spoken.filter(Boolean).join(": ")}
        onClick={() => onSelect(layer, head)}
        className={cn(
          "group absolute flex flex-col rounded-md text-left focus-visible:outline-offset-2",
          faded && "bg-surface/75",
        )}
        style={{ left, top, width: size, height: size + LINE - 2 }}
      >
        <span className="sr-only">{spoken.filter(Boolean).join(": ")}</span>
        <span
          className={cn(
            "block shrink-0 rounded-sm border",
            on
              ? "border-transparent ring-2 ring-accent ring-inset"
              : "border-border group-hover:border-foreground/50",
          )}
          style={{ height: size }}
        />
        {all ? (
          <span
            aria-hidden
            className={cn("pt-0.5 text-[11px] leading-4", on && "font-medium text-accent-ink")}
          >
            Layer {layer}
          </span>
        ) : null}
        {score === null ? null : (
          <span
            aria-hidden
            className={cn(
              "flex min-w-0 items-baseline gap-1 pt-0.5 text-[11px] leading-4",
              on ? "font-medium text-accent-ink" : pattern?.label === MIXED || faded ? "text-muted" : "",
            )}
          >
            <span className="min-w-0 flex-1 truncate">
              {wordy ? patternWord(pattern?.label ?? "") : shortPattern(pattern?.label ?? "")}
            </span>
            {wordy ? <span className="font-mono figures">{score}</span> : null}
          </span>
        )}
      </button>
    </div>
  );
});
