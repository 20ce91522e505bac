"use client";

import { useLayoutEffect, useRef } from "react";

import type { Grid } from "@/lib/architecture-queries";
import { sizeOf, spanAround, type View } from "@/lib/attention-view";
import { formatNumber } from "@/lib/format";

import { paintThumbnails } from "./head-paint";
import { useThemeClass } from "./use-theme-class";

const SIZE = 116;

/** The whole map of a head, small, with the part that is seen; click or drag to look elsewhere. */
export function AttentionMinimap({
  thumbnails,
  layer,
  head,
  count,
  view,
  causal,
  withoutFirst,
  onMove,
}: {
  thumbnails: Grid<Uint8Array> | null;
  layer: number;
  head: number;
  count: number;
  view: View;
  causal: boolean;
  withoutFirst: boolean;
  onMove: (view: View) => void;
}) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const theme = useThemeClass();
  useLayoutEffect(() => {
    if (!canvas.current || !thumbnails) return;
    paintThumbnails(canvas.current, oneOf(thumbnails, layer, head), {
      cell: SIZE,
      place: () => ({ x: 0, y: 0 }),
      width: SIZE,
      height: SIZE,
      withoutFirst,
      causal,
    });
  }, [thumbnails, layer, head, withoutFirst, causal, theme]);
  const size = sizeOf(view.rows);
  const move = (event: React.PointerEvent) => {
    const edge = event.currentTarget.getBoundingClientRect();
    onMove({
      rows: spanAround(((event.clientY - edge.top) / SIZE) * count, size, count),
      columns: spanAround(((event.clientX - edge.left) / SIZE) * count, size, count),
    });
  };
  const place = (value: number) => (value / count) * SIZE;
  const names = (span: { from: number; to: number }) =>
    `${formatNumber(span.from)} to ${formatNumber(span.to - 1)}`;
  return (
    <div className="flex flex-wrap items-center gap-3">
      <div
        className="relative shrink-0 cursor-crosshair touch-none overflow-hidden rounded-sm border"
        style={{ width: SIZE + 2, height: SIZE + 2 }}
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
          move(event);
        }}
        onPointerMove={(event) => event.buttons === 1 && move(event)}
      >
        <canvas ref={canvas} aria-hidden className="block" style={{ width: SIZE, height: SIZE }} />
        <span
          aria-hidden
          className="absolute rounded-[2px] border-2 border-accent"
          style={{
            left: place(view.columns.from),
            top: place(view.rows.from),
            width: Math.max(6, place(sizeOf(view.columns))),
            height: Math.max(6, place(size)),
          }}
        />
      </div>
      <p className="min-w-40 flex-1 text-xs text-pretty text-muted">
        Tokens <span className="text-foreground figures">{names(view.rows)}</span> looking at{" "}
        <span className="text-foreground figures">{names(view.columns)}</span> of{" "}
        <span className="figures">{formatNumber(count)}</span>. Drag the frame, or walk with the arrow keys in
        the map.
      </p>
    </div>
  );
}

/** One head's picture out of all; of a kind that has one for a layer, that one. */
export function oneOf(
  { shape, values, scale }: Grid<Uint8Array>,
  layer: number,
  head: number,
): Grid<Uint8Array> {
  const [, heads = 1, rows = 0, columns = 0] = shape;
  const size = rows * columns;
  const from = (layer * heads + Math.min(head, heads - 1)) * size;
  return { shape: [1, 1, rows, columns], values: values.subarray(from, from + size), scale };
}
