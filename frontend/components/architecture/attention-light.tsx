"use client";

import { useEffect, useRef } from "react";

import type { LabToken } from "@/lib/architecture-types";
import type { Look, LookStore } from "@/lib/attention-hover";
import { type Layout, shortName, sizeOf, type View } from "@/lib/attention-view";
import { cn } from "@/lib/utils";

/**
 * What lies above a map: frames around the row and the column that are pointed at and around the row that is kept,
 * with the names of their tokens. A move of the pointer moves them, and paints nothing anew.
 */
export function AttentionLight({
  tokens,
  view,
  layout,
  pinned,
  looks,
}: {
  tokens: readonly LabToken[];
  view: View;
  layout: Layout;
  pinned: number | null;
  looks: LookStore;
}) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const part = (name: string) => box.current?.querySelector<HTMLElement>(`[data-part="${name}"]`) ?? null;
    const { left, top, cell } = layout;
    const size = Math.max(cell, 3);
    const wide = sizeOf(view.columns) * cell;
    const high = sizeOf(view.rows) * cell;
    const nameOf = (index: number) => shortName(tokens[index]?.text ?? "", 14);
    const y = (row: number) => top + (row - view.rows.from) * cell;
    const x = (column: number) => left + (column - view.columns.from) * cell;
    const inRows = (row: number | null | undefined): row is number =>
      row !== null && row !== undefined && row >= view.rows.from && row < view.rows.to;
    const inColumns = (column: number | null | undefined): column is number =>
      column !== null && column !== undefined && column >= view.columns.from && column < view.columns.to;
    const row = (name: string, index: number | null | undefined) => {
      const shown = inRows(index);
      frame(part(name), shown ? [left, y(index), wide, size] : null);
      tag(
        part(`${name}-name`),
        shown ? nameOf(index) : null,
        `translate(${left - 3}px, ${shown ? y(index) + cell / 2 : 0}px) translate(-100%, -50%)`,
      );
    };
    const show = (look: Look | null) => {
      row("row", look?.row);
      const column = look?.column;
      const shown = inColumns(column);
      frame(part("column"), shown ? [x(column), top, size, high] : null);
      tag(
        part("column-name"),
        shown ? nameOf(column) : null,
        `translate(${shown ? x(column) + cell / 2 : 0}px, ${top - 3}px) rotate(-90deg) translate(0, -50%)`,
      );
      frame(part("cell"), shown && inRows(look?.row) ? [x(column), y(look.row), size, size] : null);
    };
    row("pinned", pinned);
    show(looks.snapshot());
    return looks.watch(show);
  }, [tokens, view, layout, pinned, looks]);

  return (
    <div
      ref={box}
      aria-hidden
      className="pointer-events-none absolute inset-0 overflow-hidden [contain:strict]"
    >
      <Frame part="pinned" className="border-accent" />
      <Frame part="row" className="border-foreground" />
      <Frame part="column" className="border-foreground" />
      <Frame part="cell" className="border-[3px] border-accent" />
      <Tag part="pinned-name" className="bg-accent-soft text-accent-ink" />
      <Tag part="row-name" className="bg-foreground text-background" />
      <Tag part="column-name" className="origin-top-left bg-foreground text-background" />
    </div>
  );
}

const Frame = ({ part, className }: { part: string; className: string }) => (
  <span
    data-part={part}
    hidden
    className={cn("absolute top-0 left-0 rounded-[1px] border-[1.5px] will-change-transform", className)}
  />
);

const Tag = ({ part, className }: { part: string; className: string }) => (
  <span
    data-part={part}
    hidden
    className={cn(
      "absolute top-0 left-0 rounded-sm px-1 font-mono text-[11px] leading-4 whitespace-pre",
      className,
    )}
  />
);

function frame(element: HTMLElement | null, place: [number, number, number, number] | null): void {
  if (!element) return;
  element.hidden = place === null;
  if (!place) return;
  const [left, top, width, height] = place;
  element.style.transform = `translate(${left}px, ${top}px)`;
  element.style.width = `${width}px`;
  element.style.height = `${height}px`;
}

function tag(element: HTMLElement | null, name: string | null, transform: string): void {
  if (!element) return;
  element.hidden = name === null;
  if (name === null) return;
  if (element.textContent !== name) element.textContent = name;
  element.style.transform = transform;
}
