"use client";

import { useEffect, useId, useLayoutEffect, useRef, useState } from "react";

import { makeCanvas, placeOf, readRamp, signedPlaceOf } from "@/lib/attention-ramp";
import { shortName } from "@/lib/attention-view";
import { formatValue, type Sheet } from "@/lib/steps-model";
import { cn } from "@/lib/utils";

import { inks } from "./attention-paint";
import { useWidth } from "./use-width";
import { useThemeClass } from "./use-theme-class";

const SMALLEST = 5;
const TALLEST = 26;
const GUTTER = 30;
const HEAD = 58; // the names of columns, on end
const NAMED = 10; // from this width of a column on

export interface StepGridProps {
  label: string;
  values: readonly number[];
  sheet: Sheet;
  /** Shares from 0 to 1 rather than numbers on both sides of zero. */
  share: boolean;
  /** Names of rows, where rows are heads. */
  rowName?: (row: number) => string;
  /** Names of columns, where columns are tokens. */
  columnName?: (column: number) => string;
  /** A number in words: "head 2, number 17". */
  cellName: (row: number, column: number) => string;
  /** The number that is open. */
  at: { row: number; column: number } | null;
  onPick: (row: number, column: number) => void;
  className?: string;
}

/** Numbers as cells of heat on a canvas. Point to read one, click (or Enter) to ask where it comes from. */
export function StepGrid({
  label,
  values,
  sheet,
  share,
  rowName,
  columnName,
  cellName,
  at,
  onPick,
  className,
}: StepGridProps) {
  const { rows, columns } = sheet;
  const ground = useRef<HTMLCanvasElement>(null);
  const help = useId();
  const [box, width] = useWidth<HTMLDivElement>(0);
  const theme = useThemeClass();
  const [lit, setLit] = useState<{ row: number; column: number } | null>(null);
  const left = rowName ? GUTTER : 0;
  const cell = Math.max(SMALLEST, (width - left) / columns);
  const high = Math.min(TALLEST, Math.max(rows > 24 ? 10 : 16, cell));
  const top = columnName && cell >= NAMED ? HEAD : 0;
  const drawn = { width: left + cell * columns, height: top + rows * high };
  const inside = (place: { row: number; column: number } | null) =>
    place && place.row < rows && place.column < columns && place.row * columns + place.column < values.length
      ? place
      : null;
  const shown = inside(lit) ?? inside(at);

  useLayoutEffect(() => {
    const target = ground.current;
    const ramp = readRamp(share ? "heat" : "signed");
    const pen = target?.getContext("2d");
    const stamp = makeCanvas(columns, rows);
    const stampPen = stamp?.getContext("2d");
    if (!target || !pen || !ramp || !stamp || !stampPen || width === 0) return;
    const ratio = window.devicePixelRatio || 1;
    target.width = Math.round(drawn.width * ratio);
    target.height = Math.round(drawn.height * ratio);
    pen.scale(ratio, ratio);
    const most = values.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0) || 1;
    const image = stampPen.createImageData(columns, rows);
    const pixels = new Uint32Array(image.data.buffer);
    for (const [place, value] of values.entries()) {
      pixels[place] = ramp[share ? placeOf(value / most) : signedPlaceOf(value / most)]!;
    }
    stampPen.putImageData(image, 0, 0);
    pen.imageSmoothingEnabled = false;
    pen.drawImage(stamp, left, top, cell * columns, rows * high);
    const colours = inks();
    pen.strokeStyle = colours.surface;
    pen.lineWidth = 1;
    pen.beginPath();
    for (let column = 1; column < columns && cell >= 9; column += 1) {
      pen.moveTo(left + column * cell, top);
      pen.lineTo(left + column * cell, drawn.height);
    }
    for (let row = 1; row < rows; row += 1) {
      pen.moveTo(left, top + row * high);
      pen.lineTo(drawn.width, top + row * high);
    }
    pen.stroke();
    if (rowName) {
      pen.font = colours.font;
      pen.fillStyle = colours.muted;
      pen.textBaseline = "middle";
      pen.textAlign = "right";
      for (let row = 0; row < rows; row += 1) pen.fillText(rowName(row), left - 6, top + (row + 0.5) * high);
    }
    for (let column = 0; column < columns && top > 0 && columnName; column += 1) {
      pen.save();
      pen.font = colours.font;
      pen.fillStyle = colours.muted;
      pen.textBaseline = "middle";
      pen.textAlign = "left";
      pen.translate(left + (column + 0.5) * cell, top - 4);
      pen.rotate(-Math.PI / 2);
      pen.fillText(shortName(columnName(column), 8), 0, 0);
      pen.restore();
    }
    // eslint-disable-next-line react-hooks/exhaustive-deps -- sizes follow from the sheet and the width
  }, [values, share, rows, columns, width, high, theme]);

  const scroller = useRef<HTMLDivElement>(null);
  const openRow = inside(at)?.row ?? null;
  useEffect(() => {
    const edge = scroller.current?.parentElement;
    if (!edge || openRow === null) return;
    const from = top + openRow * high;
    if (from + high > edge.scrollTop + edge.clientHeight)
      edge.scrollTop = from + 2 * high - edge.clientHeight;
    else if (from < edge.scrollTop) edge.scrollTop = Math.max(0, from - high);
  }, [openRow, top, high]);

  const frame = useRef(0);
  useEffect(() => () => cancelAnimationFrame(frame.current), []);
  const placeOfEvent = (event: React.PointerEvent | React.MouseEvent) => {
    const edge = event.currentTarget.getBoundingClientRect();
    return inside({
      row: Math.max(0, Math.floor((event.clientY - edge.top - top) / high)),
      column: Math.max(0, Math.floor((event.clientX - edge.left - left) / cell)),
    });
  };
  const light = (place: { row: number; column: number } | null) => {
    cancelAnimationFrame(frame.current);
    frame.current = requestAnimationFrame(() =>
      setLit((before) => (before?.row === place?.row && before?.column === place?.column ? before : place)),
    );
  };
  const onKey = (event: React.KeyboardEvent) => {
    const { row, column } = shown ?? { row: 0, column: 0 };
    const to: Record<string, [number, number]> = {
      ArrowLeft: column > 0 ? [row, column - 1] : [row - 1, columns - 1],
      ArrowRight: column < columns - 1 ? [row, column + 1] : [row + 1, 0],
      ArrowUp: [row - 1, column],
      ArrowDown: [row + 1, column],
      Home: [row, 0],
      End: [row, columns - 1],
    };
    const next = to[event.key];
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      onPick(row, column);
    } else if (next && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      const place = inside({ row: Math.max(-1, next[0]), column: next[1] });
      if (place && place.row >= 0) setLit(place);
    }
  };
  const frameOf = (place: { row: number; column: number }) => ({
    left: left + place.column * cell,
    top: top + place.row * high,
    width: cell,
    height: high,
  });

  return (
    <div className={cn("flex min-w-0 flex-col gap-1.5", className)}>
      <div ref={box} className="max-h-72 overflow-auto">
        <div
          ref={scroller}
          role="application"
          tabIndex={0}
          aria-label={label}
          aria-describedby={help}
          className="relative cursor-pointer touch-pan-y rounded-sm focus-visible:outline-offset-[-3px]"
          style={{ width: Math.max(1, drawn.width), height: drawn.height }}
          onPointerMove={(event) => event.pointerType === "mouse" && light(placeOfEvent(event))}
          onPointerLeave={() => light(null)}
          onClick={(event) => {
            const place = placeOfEvent(event);
            if (place) onPick(place.row, place.column);
          }}
          onKeyDown={onKey}
        >
          <canvas
            ref={ground}
            aria-hidden
            className="absolute inset-0"
            style={{ width: drawn.width, height: drawn.height }}
          />
          {inside(at) ? (
            <span aria-hidden className="absolute rounded-[2px] ring-2 ring-accent" style={frameOf(at!)} />
          ) : null}
          {inside(lit) ? (
            <span
              aria-hidden
              className="absolute rounded-[2px] ring-2 ring-foreground"
              style={frameOf(lit!)}
            />
          ) : null}
        </div>
      </div>
      <p id={help} aria-live="polite" className="flex min-h-5 items-baseline gap-2 text-xs text-muted">
        {shown ? (
          <>
            <span className="min-w-0 truncate">{cellName(shown.row, shown.column)}</span>
            <span className="font-mono text-sm font-medium text-foreground figures">
              {formatValue(values[shown.row * columns + shown.column])}
            </span>
          </>
        ) : (
          "Point at a number to read it; click it to see where it comes from."
        )}
      </p>
    </div>
  );
}
