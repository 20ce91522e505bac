"use client";

import "./lens.css";

import {
  type CSSProperties,
  type KeyboardEvent,
  memo,
  type PointerEvent,
  type ReactNode,
  useCallback,
  useEffect,
  useId,
  useMemo,
  useRef,
  useState,
} from "react";

import { edgesOf, inView } from "@/lib/lens-heat";
import { cn } from "@/lib/utils";

export type Place = readonly [row: number, column: number];

export interface HeatCell {
  text?: string;
  /** What a screen reader says. */
  name: string;
  colour: string;
  /** A dot in the corner. */
  mark?: boolean;
}

export interface HeatGridProps {
  label: string;
  corner?: ReactNode;
  rows: readonly { key: string; label: string; about?: string }[];
  columns: readonly { key: string; label: string; about?: string }[];
  cell: (row: number, column: number) => HeatCell | null;
  /** Width of a column and height of a row, in pixels. */
  width: number;
  height: number;
  labelWidth: number;
  active: Place | null;
  onPeek?: (place: Place | null) => void;
  onPick?: (place: Place) => void;
  /** A last row that is no part of the heat. */
  foot?: { label: string; text: (column: number) => string; name?: (column: number) => string };
  className?: string;
}

const MARGIN = 200; // drawn beyond what is in view, so that scrolling meets no holes

/**
 * A table of coloured cells, as wide as it likes: only the columns in view are in the page. One listener
 * serves all cells, and what is lit is one frame that moves, so that pointing draws nothing anew.
 */
export function HeatGrid(props: HeatGridProps) {
  const { label, rows, columns, width, height, labelWidth, active, onPeek, onPick, foot } = props;
  const prefix = useId();
  const box = useRef<HTMLDivElement>(null);
  const edges = useMemo(() => edgesOf(columns.map(() => width)), [columns, width]);
  const [seen, setSeen] = useState<readonly [number, number]>([0, 40]);
  const look = useCallback(() => {
    const element = box.current;
    if (!element) return;
    const from = element.scrollLeft - MARGIN;
    const to = element.scrollLeft + Math.max(element.clientWidth, 320) + MARGIN;
    const [first, last] = inView(edges, from, to);
    setSeen((now) => (now[0] === first && now[1] === last ? now : [first, last]));
  }, [edges]);
  useEffect(() => {
    const element = box.current;
    if (!element) return undefined;
    look();
    const watcher = new ResizeObserver(look);
    watcher.observe(element);
    return () => watcher.disconnect();
  }, [look]);

  const column = active?.[1] ?? null;
  const row = active?.[0] ?? null;
  const shown = useRef<string | null>(null);
  const name = `${width} ${columns.map((item) => item.key).join(" ")}`;
  useEffect(() => {
    const element = box.current;
    if (!element || column === null || shown.current === name) return;
    shown.current = name; // a new text, or another width, begins where the active cell is
    element.scrollLeft = edges[column]! - (element.clientWidth - labelWidth) / 2;
  }, [name, column, edges, labelWidth]);

  const placeOf = (target: EventTarget): Place | null => {
    const found = (target as Element).closest?.("[data-cell]")?.getAttribute("data-cell");
    if (!found) return null;
    const [atRow, atColumn] = found.split(".").map(Number);
    return [atRow!, atColumn!];
  };
  const reveal = (place: Place) => {
    const element = box.current;
    if (!element) return;
    const left = edges[place[1]]!;
    const room = element.clientWidth - labelWidth;
    if (left < element.scrollLeft) element.scrollLeft = left;
    else if (left + width > element.scrollLeft + room) element.scrollLeft = left + width - room;
  };
  const onKey = (event: KeyboardEvent) => {
    if (!onPick || event.ctrlKey || event.metaKey || event.altKey) return;
    const [atRow, atColumn] = active ?? [0, 0];
    const steps: Record<string, Place> = {
      ArrowRight: [atRow, atColumn + 1],
      ArrowLeft: [atRow, atColumn - 1],
      ArrowDown: [atRow + 1, atColumn],
      ArrowUp: [atRow - 1, atColumn],
      Home: [atRow, 0],
      End: [atRow, columns.length - 1],
      PageDown: [rows.length - 1, atColumn],
      PageUp: [0, atColumn],
    };
    const to = steps[event.key];
    if (!to) return;
    event.preventDefault();
    const place: Place = [
      Math.min(rows.length - 1, Math.max(0, to[0])),
      Math.min(columns.length - 1, Math.max(0, to[1])),
    ];
    reveal(place);
    onPick(place);
  };
  const peek = (event: PointerEvent) => {
    if (event.pointerType !== "mouse") return;
    const place = placeOf(event.target);
    if (place) onPeek?.(place);
  };
  const total = labelWidth + (edges.at(-1) ?? 0);

  return (
    <div
      ref={box}
      role="grid"
      tabIndex={0}
      aria-label={label}
      aria-rowcount={rows.length + 1 + (foot ? 1 : 0)}
      aria-colcount={columns.length + 1}
      aria-activedescendant={
        row !== null && column !== null && column >= seen[0] && column < seen[1]
          ? `${prefix}${row}.${column}`
          : undefined
      }
      className={cn("heat-grid rounded-sm", props.className)}
      onScroll={look}
      onPointerOver={onPeek && peek}
      onPointerLeave={onPeek && (() => onPeek(null))}
      onClick={(event) => {
        const place = placeOf(event.target);
        if (place) onPick?.(place);
      }}
      onKeyDown={onKey}
    >
      <Cells {...props} prefix={prefix} edges={edges} from={seen[0]} to={seen[1]} total={total} />
      {row !== null && column !== null && column < columns.length && row < rows.length ? (
        <>
          <div
            aria-hidden
            className="heat-column"
            style={{
              left: labelWidth + edges[column]!,
              width,
              height: (rows.length + (foot ? 2 : 1)) * height,
            }}
          />
          <div
            aria-hidden
            className="heat-ring"
            style={{ left: labelWidth + edges[column]!, top: (row + 1) * height, width, height }}
          />
        </>
      ) : null}
    </div>
  );
}

interface CellsProps extends HeatGridProps {
  prefix: string;
  edges: readonly number[];
  from: number;
  to: number;
  total: number;
}

const Cells = memo(
  function Cells(props: CellsProps) {
    const { rows, columns, cell, width, height, labelWidth, corner, foot, prefix, edges, from, to, total } =
      props;
    const seen = Array.from({ length: Math.max(0, to - from) }, (_, at) => from + at).filter(
      (at) => at < columns.length,
    );
    const at = (column: number): CSSProperties => ({
      left: labelWidth + edges[column]!,
      width,
      height,
      lineHeight: `${height - 2}px`,
    });
    const line = { width: total, height };
    const side = { width: labelWidth, height };
    return (
      <>
        <div role="row" aria-rowindex={1} style={line}>
          <div role="columnheader" aria-colindex={1} className="heat-label text-xs text-muted" style={side}>
            {corner}
          </div>
          {seen.map((column) => (
            <div
              key={column}
              role="columnheader"
              aria-colindex={column + 2}
              title={columns[column]!.about}
              className="heat-head text-muted"
              style={at(column)}
            >
              {columns[column]!.label}
            </div>
          ))}
        </div>
        {rows.map((row, index) => (
          <div key={row.key} role="row" aria-rowindex={index + 2} style={line}>
            <div
              role="rowheader"
              aria-colindex={1}
              title={row.about}
              className="heat-label pr-2 text-xs"
              style={side}
            >
              <span className="truncate">{row.label}</span>
            </div>
            {seen.map((column) => {
              const made = cell(index, column);
              return made ? (
                <div
                  key={column}
                  id={`${prefix}${index}.${column}`}
                  role="gridcell"
                  aria-colindex={column + 2}
                  aria-label={made.name}
                  data-cell={`${index}.${column}`}
                  data-mark={made.mark ? "" : undefined}
                  className="heat-cell"
                  style={{ ...at(column), background: made.colour }}
                >
                  {made.text}
                </div>
              ) : null;
            })}
          </div>
        ))}
        {foot ? (
          <div role="row" aria-rowindex={rows.length + 2} style={line}>
            <div
              role="rowheader"
              aria-colindex={1}
              className="heat-label pr-2 text-xs text-muted"
              style={side}
            >
              <span className="truncate">{foot.label}</span>
            </div>
            {seen.map((column) => (
              <div
                key={column}
                role="gridcell"
                aria-colindex={column + 2}
                aria-label={foot.name?.(column)}
                className="heat-head text-muted"
                style={at(column)}
              >
                {foot.text(column)}
              </div>
            ))}
          </div>
        ) : null}
      </>
    );
  },
  (before, after) =>
    before.rows === after.rows &&
    before.columns === after.columns &&
    before.cell === after.cell &&
    before.from === after.from &&
    before.to === after.to &&
    before.width === after.width &&
    before.height === after.height &&
    before.labelWidth === after.labelWidth &&
    before.edges === after.edges &&
    before.foot === after.foot &&
    before.corner === after.corner,
);
