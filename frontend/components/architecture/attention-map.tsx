"use client";

import { useId, useLayoutEffect, useMemo, useRef } from "react";

import type { LabToken } from "@/lib/architecture-types";
import type { LookStore } from "@/lib/attention-hover";
import { cellAt, layoutOf, longestName, type MapValues, sizeOf, type View } from "@/lib/attention-view";
import { cn } from "@/lib/utils";

import { AttentionLight } from "./attention-light";
import { paintMap } from "./attention-paint";
import { useWidth } from "./use-width";
import { useThemeClass } from "./use-theme-class";

export interface AttentionMapProps {
  label: string;
  tokens: readonly LabToken[];
  values: MapValues;
  view: View;
  /** What the darkest colour stands for. */
  most: number;
  causal: boolean;
  withoutFirst: boolean;
  /** The token whose row is kept in sight. */
  pinned: number | null;
  looks: LookStore;
  onPick: (row: number) => void;
  /** Arrow keys that leave the view. */
  onShow: (row: number, column: number) => void;
  onZoom: (factor: number, around?: { row: number; column: number }) => void;
  /** Hands out the canvas that holds the picture, for saving. */
  onCanvas?: (canvas: HTMLCanvasElement | null) => void;
  className?: string;
}

/**
 * The map of one head: who looks (rows) at whom (columns). The picture is painted when the numbers change; what
 * the pointer lights lies above it and moves at most once in a frame.
 */
export function AttentionMap(props: AttentionMapProps) {
  const { label, tokens, values, view, most, causal, withoutFirst, pinned, looks, onPick, className } = props;
  const ground = useRef<HTMLCanvasElement>(null);
  const help = useId();
  const [box, width] = useWidth<HTMLDivElement>(0);
  const theme = useThemeClass();
  const layout = useMemo(() => layoutOf(width, view, longestName(tokens, view)), [width, view, tokens]);
  const height = Math.round(layout.top + layout.cell * sizeOf(view.rows)) + 1;
  const wide = Math.round(layout.left + layout.cell * sizeOf(view.columns)) + 1;

  useLayoutEffect(() => {
    if (!ground.current || width === 0) return;
    paintMap(ground.current, {
      tokens,
      values,
      view,
      most,
      causal,
      withoutFirst,
      layout,
      width: wide,
      height,
    });
    props.onCanvas?.(ground.current);
    // eslint-disable-next-line react-hooks/exhaustive-deps -- a new theme is a new picture; onCanvas only hands it out
  }, [tokens, values, view, most, causal, withoutFirst, layout, wide, height, theme]);

  const at = (event: React.PointerEvent | React.MouseEvent) => {
    const edge = event.currentTarget.getBoundingClientRect();
    return cellAt(event.clientX - edge.left, event.clientY - edge.top, layout, view);
  };
  const onKey = (event: React.KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const now = looks.current();
    const row = now?.row ?? pinned ?? view.rows.to - 1;
    const column = now?.column ?? Math.min(row, view.columns.to - 1);
    const last = tokens.length - 1;
    const to: Record<string, [number, number]> = {
      ArrowUp: [row - 1, column],
      ArrowDown: [row + 1, column],
      ArrowLeft: [row, column - 1],
      ArrowRight: [row, column + 1],
      Home: [row, 0],
      End: [row, causal ? row : last],
      PageUp: [row - 10, column],
      PageDown: [row + 10, column],
    };
    const next = to[event.key];
    if (next) {
      event.preventDefault();
      const [newRow, newColumn] = next.map((value) => Math.min(last, Math.max(0, value))) as [number, number];
      looks.set({ row: newRow, column: newColumn });
      props.onShow(newRow, newColumn);
    } else if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      onPick(row);
    } else if (event.key === "+" || event.key === "=") props.onZoom(2, { row, column });
    else if (event.key === "-") props.onZoom(0.5, { row, column });
    else if (event.key === "Escape") looks.set(null);
  };

  return (
    <div ref={box} className={cn("min-w-0", className)}>
      <div
        role="application"
        tabIndex={0}
        aria-label={label}
        aria-describedby={help}
        className="relative touch-pan-y rounded-sm"
        style={{ height, width: wide, maxWidth: "100%" }}
        onPointerMove={(event) => looks.set(at(event))}
        onPointerLeave={(event) => event.pointerType === "mouse" && looks.set(null)}
        onClick={(event) => {
          const cell = at(event);
          if (cell) onPick(cell.row);
        }}
        onDoubleClick={(event) => {
          const cell = at(event);
          if (cell) props.onZoom(2, cell);
        }}
        onKeyDown={onKey}
      >
        <canvas ref={ground} aria-hidden className="absolute inset-0" style={{ width: wide, height }} />
        <AttentionLight tokens={tokens} view={view} layout={layout} pinned={pinned} looks={looks} />
        <span id={help} className="sr-only">
          Rows are the tokens that look, columns those that are looked at. The arrow keys go from value to
          value, Enter keeps a row, plus and minus change the part that is shown.
        </span>
      </div>
    </div>
  );
}
