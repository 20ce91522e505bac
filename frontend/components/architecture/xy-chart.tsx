"use client";

import { type PointerEvent, type ReactNode, useId, useRef, useState } from "react";

import { ChartActions } from "@/components/ui/chart-actions";
import { save } from "@/lib/download";
import { DASH } from "@/lib/format";
import { saveSvg } from "@/lib/save-svg";
import { cn } from "@/lib/utils";
import { linearScale, logScale, valueAt } from "@/lib/xy-scale";

import { useWidth } from "./use-width";

export interface XyLine {
  label: string;
  /** CSS variable of its colour. */
  colour: string;
  points: readonly { x: number; y: number }[];
  dashed?: boolean;
}

export interface XyMark {
  x: number;
  y: number;
  label: string;
  colour: string;
  /** On which side of the mark its label stands. */
  side?: "left" | "right";
  hollow?: boolean;
}

interface Props {
  title: string;
  note?: ReactNode;
  /** What stands under the axes. */
  xName: string;
  yName: string;
  /** Begins the file's name. */
  file: string;
  lines: readonly XyLine[];
  marks?: readonly XyMark[];
  height: number;
  xLog?: 2 | 10;
  yLog?: boolean;
  yZero?: boolean;
  formatX: (value: number) => string;
  formatY: (value: number) => string;
  /** Beside the title. */
  children?: ReactNode;
  className?: string;
}

const MARGIN = { top: 22, right: 28, bottom: 40, left: 58 };

/** A few smooth curves with axes, a crosshair, marks, a table and a file: for what is reckoned, not logged. */
export function XyChart(props: Props) {
  const { title, lines, formatX, formatY, height } = props;
  const [table, setTable] = useState(false);
  const [cursor, setCursor] = useState<number | null>(null);
  const heading = useId();
  const exportCsv = () => save(new Blob([csvOf(props)], { type: "text/csv" }), `${props.file}.csv`);
  const figure = useRef<HTMLElement>(null);
  const savePicture = () => {
    const plot = figure.current?.querySelector<SVGSVGElement>("svg[role=img]");
    if (plot) saveSvg(plot, `${props.file}.svg`);
  };
  return (
    <figure ref={figure} aria-labelledby={heading} className={cn("flex min-w-0 flex-col", props.className)}>
      <figcaption className="flex min-h-12 flex-wrap items-center gap-x-3 gap-y-1 px-4 pt-3 pb-1 sm:px-5">
        <h2 id={heading} className="text-base font-semibold">
          {title}
        </h2>
        {props.note ? <span className="text-sm text-muted">{props.note}</span> : null}
        <div className="ml-auto flex items-center gap-0.5">
          {props.children}
          <ChartActions
            title={title}
            table={table}
            onTable={setTable}
            picture="SVG"
            onPicture={savePicture}
            onCsv={exportCsv}
          />
        </div>
      </figcaption>
      <div className="flex min-h-6 flex-wrap items-center gap-x-4 px-4 text-sm figures sm:px-5">
        {lines.map((line) => (
          <span key={line.label} className="flex min-w-0 items-center gap-1.5">
            <span
              aria-hidden
              className={cn("w-3.5 shrink-0 border-t-2", line.dashed && "border-dashed")}
              style={{ borderColor: `var(${line.colour})` }}
            />
            <span className="truncate text-muted">{line.label}</span>
            {cursor !== null ? (
              <span className="font-medium">{said(valueAt(line.points, cursor), formatY)}</span>
            ) : null}
          </span>
        ))}
        {cursor !== null ? (
          <span className="ml-auto text-muted">
            {props.xName} {formatX(cursor)}
          </span>
        ) : null}
      </div>
      {table ? (
        <Table {...props} />
      ) : (
        <Plot {...props} height={height} cursor={cursor} onCursor={setCursor} />
      )}
    </figure>
  );
}

const said = (value: number | null, format: (value: number) => string): string =>
  value === null ? DASH : format(value);

function csvOf({ lines, xName }: Props): string {
  const rows = lines.flatMap((line) =>
    line.points.map((point) => `${quoted(line.label)},${point.x},${point.y}`),
  );
  return [`line,${quoted(xName)},value`, ...rows].join("\n") + "\n";
}
const quoted = (text: string): string => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

/** A logarithmic axis has no place for zero. */
const drawable = (lines: readonly XyLine[], xLog: boolean, yLog: boolean): XyLine[] =>
  lines.map((line) => ({
    ...line,
    points: line.points.filter(({ x, y }) => (!xLog || x > 0) && (!yLog || y > 0)),
  }));

function Plot({
  title,
  xName,
  yName,
  lines: all,
  marks = [],
  height,
  xLog,
  yLog,
  yZero,
  formatX,
  formatY,
  cursor,
  onCursor,
}: Props & { cursor: number | null; onCursor: (x: number | null) => void }) {
  const [ref, width] = useWidth<HTMLDivElement>(560);
  const lines = drawable(all, Boolean(xLog), Boolean(yLog)).filter((line) => line.points.length > 0);
  const xs = [
    ...lines.flatMap((line) => line.points.map((point) => point.x)),
    ...marks.map((mark) => mark.x),
  ];
  const ys = [
    ...lines.flatMap((line) => line.points.map((point) => point.y)),
    ...marks.map((mark) => mark.y),
  ];
  const w = Math.max(60, width - MARGIN.left - MARGIN.right);
  const h = height - MARGIN.top - MARGIN.bottom;
  const xScale = xLog ? logScale(xs, xLog, Math.max(2, Math.floor(w / 70))) : linearScale(xs);
  const yScale = yLog ? logScale(ys, 10, 5) : linearScale(ys, yZero);
  const px = (x: number) => MARGIN.left + w * xScale.at(x);
  const py = (y: number) => MARGIN.top + h * (1 - yScale.at(y));
  const onMove = (event: PointerEvent<SVGSVGElement>) => {
    const box = event.currentTarget.getBoundingClientRect();
    const place = (event.clientX - box.left - MARGIN.left) / w;
    onCursor(place < 0 || place > 1 ? null : xScale.value(place));
  };
  return (
    <div ref={ref} className="min-w-0 pb-1">
      <svg
        role="img"
        aria-label={`${title}: ${all
          .map((line) => `${line.label} ${said(line.points.at(-1)?.y ?? null, formatY)}`)
          .join(", ")} at the right end. The table view lists the values.`}
        width={width}
        height={height}
        onPointerMove={onMove}
        onPointerLeave={() => onCursor(null)}
        className="block max-w-full touch-pan-y text-xs figures"
      >
        {yScale.ticks.map((tick) => (
          <g key={tick}>
            <line
              x1={MARGIN.left}
              x2={MARGIN.left + w}
              y1={py(tick)}
              y2={py(tick)}
              className="stroke-chart-grid"
            />
            <text x={MARGIN.left - 8} y={py(tick) + 4} textAnchor="end" className="fill-muted">
              {formatY(tick)}
            </text>
          </g>
        ))}
        {xScale.ticks.map((tick) => (
          <text key={tick} x={px(tick)} y={MARGIN.top + h + 17} textAnchor="middle" className="fill-muted">
            {formatX(tick)}
          </text>
        ))}
        <text x={MARGIN.left + w} y={height - 6} textAnchor="end" className="fill-muted">
          {xName}
        </text>
        <text x={MARGIN.left} y={height - 6} className="fill-muted">
          {yName}
        </text>
        {lines.map((line) => (
          <path
            key={line.label}
            d={`M${line.points.map((point) => `${px(point.x).toFixed(1)} ${py(point.y).toFixed(1)}`).join("L")}`}
            fill="none"
            stroke={`var(${line.colour})`}
            strokeWidth={1.9}
            strokeLinejoin="round"
            strokeDasharray={line.dashed ? "5 4" : undefined}
          />
        ))}
        {cursor !== null ? (
          <g aria-hidden>
            <line
              x1={px(cursor)}
              x2={px(cursor)}
              y1={MARGIN.top}
              y2={MARGIN.top + h}
              className="stroke-border-strong"
            />
            {lines.map((line) => {
              const y = valueAt(line.points, cursor);
              return y === null ? null : (
                <circle key={line.label} cx={px(cursor)} cy={py(y)} r={3.5} fill={`var(${line.colour})`} />
              );
            })}
          </g>
        ) : null}
        {marks.map((mark) => (
          <Mark key={mark.label} mark={mark} x={px(mark.x)} y={py(mark.y)} />
        ))}
      </svg>
    </div>
  );
}

function Mark({ mark, x, y }: { mark: XyMark; x: number; y: number }) {
  const right = mark.side !== "left";
  return (
    <g>
      <circle
        cx={x}
        cy={y}
        r={5}
        fill={mark.hollow ? "var(--surface)" : `var(${mark.colour})`}
        stroke={mark.hollow ? `var(${mark.colour})` : "var(--surface)"}
        strokeWidth={2}
      />
      <text
        x={x + (right ? 10 : -10)}
        y={y - 8}
        textAnchor={right ? "start" : "end"}
        stroke="var(--surface)"
        strokeWidth={4}
        paintOrder="stroke"
        className="fill-foreground font-medium"
      >
        {mark.label}
      </text>
    </g>
  );
}

const ROWS = 24;

function Table({ title, lines, xName, height, formatX, formatY }: Props) {
  const all = [...new Set(lines.flatMap((line) => line.points.map((point) => point.x)))].sort(
    (a, b) => a - b,
  );
  const every = Math.max(1, Math.ceil(all.length / ROWS));
  const shown = all.filter((_, place) => place % every === 0 || place === all.length - 1);
  return (
    <div
      role="region"
      aria-label={`${title}, table`}
      tabIndex={0}
      className="overflow-auto px-4 pb-3 sm:px-5"
      style={{ height }}
    >
      <table className="w-full text-sm figures">
        <thead className="sticky top-0 bg-surface text-xs text-muted">
          <tr>
            <th className="py-1 text-left font-medium">{xName}</th>
            {lines.map((line) => (
              <th key={line.label} className="py-1 pl-3 text-right font-medium">
                {line.label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {shown.map((x) => (
            <tr key={x} className="border-t">
              <td className="py-1">{formatX(x)}</td>
              {lines.map((line) => (
                <td key={line.label} className="py-1 pl-3 text-right">
                  {said(valueAt(line.points, x), formatY)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
