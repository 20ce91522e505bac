"use client";

import "uplot/dist/uPlot.min.css";

import { Download, Table2 } from "lucide-react";
import { useTheme } from "next-themes";
import { useEffect, useId, useMemo, useRef, useState } from "react";
import uPlot from "uplot";

import { Button } from "@/components/ui/button";
import { Menu, MenuContent, MenuItem, MenuTrigger } from "@/components/ui/menu";
import { Skeleton } from "@/components/ui/skeleton";
import { save } from "@/lib/download";
import { DASH, formatMetric, formatNumber, formatShort } from "@/lib/format";
import { alignCurves, type Curve, smooth, toCsv } from "@/lib/metrics";
import { cn } from "@/lib/utils";

export interface ChartLine {
  name: string;
  label: string;
  /** CSS variable of its colour. */
  colour: string;
  curve: Curve;
  /** What earlier attempts drew beyond the step that was resumed from. */
  ghosts: readonly Curve[];
  /** Weight of the exponential mean; the raw line stays, faint. */
  smoothing?: number;
  /** Few values: mark each. */
  points?: boolean;
}

interface Props {
  title: string;
  unit?: string;
  file: string;
  lines: readonly ChartLine[];
  /** Changes whenever the curves do: they are mutable and live outside React. */
  version: number;
  height: number;
  logX?: boolean;
  smoothing?: number;
  loading?: boolean;
  empty?: string;
  format?: (value: number | null | undefined) => string;
  onLogX?: (on: boolean) => void;
  onSmoothing?: (weight: number) => void;
}

interface Drawn {
  label: string;
  colour: string;
  curve: Curve;
  kind: "line" | "raw" | "ghost";
  points: boolean;
}

const SMOOTHINGS = [0, 0.9, 0.97];

/** What is drawn, back to front: ghosts, raw lines under smoothed ones, the lines that count. */
export function drawnOf(lines: readonly ChartLine[], logX: boolean): Drawn[] {
  const cut = (curve: Curve): Curve => (logX ? positive(curve) : curve);
  const part = (line: ChartLine, curve: Curve, kind: Drawn["kind"]): Drawn => ({
    label: line.label,
    colour: line.colour,
    curve: cut(curve),
    kind,
    points: Boolean(line.points),
  });
  return [
    ...lines.flatMap((line) => line.ghosts.map((ghost) => part(line, ghost, "ghost"))),
    ...lines.filter((line) => line.smoothing).map((line) => part(line, line.curve, "raw")),
    ...lines.map((line) =>
      part(
        line,
        line.smoothing
          ? { steps: line.curve.steps, values: smooth(line.curve.values, line.smoothing) }
          : line.curve,
        "line",
      ),
    ),
  ];
}

/** A logarithmic axis begins after zero. */
function positive(curve: Curve): Curve {
  const from = curve.steps.findIndex((step) => step > 0);
  return from <= 0
    ? from < 0
      ? { steps: [], values: [] }
      : curve
    : { steps: curve.steps.slice(from), values: curve.values.slice(from) };
}

/** One wrapper around uPlot for every curve: legend with the value under the cursor, export, table. */
export default function LineChart(props: Props) {
  const { title, unit, lines, version, height, logX = false, loading, format = formatMetric } = props;
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const [cursor, setCursor] = useState<number | null>(null);
  const [table, setTable] = useState(false);
  const { resolvedTheme } = useTheme();
  const heading = useId();
  const drawn = useMemo(
    () => drawnOf(lines, logX),
    // eslint-disable-next-line react-hooks/exhaustive-deps -- the curves inside `lines` change with `version`
    [version, logX, props.smoothing, title, lines.length],
  );
  const isEmpty = lines.every((line) => line.curve.steps.length === 0);
  const shape = drawn.map((item) => `${item.kind}${item.colour}`).join();
  const latest = useRef(drawn);
  useEffect(() => {
    latest.current = drawn;
  });

  useEffect(() => {
    const target = box.current;
    if (!target || table || isEmpty) return undefined;
    const chart = new uPlot(
      optionsOf(target, latest.current, { height, logX, format, onCursor: setCursor }),
      alignCurves(latest.current.map((item) => item.curve)) as uPlot.AlignedData,
      target,
    );
    plot.current = chart;
    const observer = new ResizeObserver(() => chart.setSize({ width: target.clientWidth, height }));
    observer.observe(target);
    return () => {
      observer.disconnect();
      chart.destroy();
      plot.current = null;
    };
  }, [height, logX, format, shape, table, isEmpty, resolvedTheme]);

  useEffect(() => {
    plot.current?.setData(alignCurves(drawn.map((item) => item.curve)) as uPlot.AlignedData);
  }, [drawn]);

  const exportCsv = () =>
    save(
      new Blob([
        toCsv(
          lines.map((line) => line.name),
          lines.map((line) => line.curve),
        ),
      ]),
      `${props.file}.csv`,
    );
  const exportPng = () => {
    const canvas = plot.current?.ctx.canvas;
    if (!canvas) return;
    const copy = document.createElement("canvas");
    copy.width = canvas.width;
    copy.height = canvas.height;
    const pen = copy.getContext("2d");
    if (!pen) return;
    pen.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--surface");
    pen.fillRect(0, 0, copy.width, copy.height);
    pen.drawImage(canvas, 0, 0);
    copy.toBlob((blob) => blob && save(blob, `${props.file}.png`));
  };

  return (
    <figure aria-labelledby={heading} className="flex h-full min-w-0 flex-col">
      <figcaption className="flex min-h-12 flex-wrap items-center gap-x-3 gap-y-1 px-4 pt-3 pb-1 sm:px-5">
        <h3 id={heading} className="text-base font-semibold">
          {title}
        </h3>
        {unit ? <span className="text-sm text-muted">{unit}</span> : null}
        {lines.length > 1 || cursor !== null ? (
          <Legend lines={lines} cursor={cursor} format={format} />
        ) : null}
        <div className="ml-auto flex items-center gap-0.5">
          {props.onSmoothing ? (
            <Toggle
              on={Boolean(props.smoothing)}
              onClick={() => props.onSmoothing?.(next(SMOOTHINGS, props.smoothing ?? 0))}
              title={props.smoothing ? `Smoothed with weight ${props.smoothing}` : "Draw an exponential mean"}
            >
              Smooth{props.smoothing ? ` ${props.smoothing}` : ""}
            </Toggle>
          ) : null}
          {props.onLogX ? (
            <Toggle
              on={logX}
              onClick={() => props.onLogX?.(!logX)}
              title="Logarithmic steps: shows how the start went"
            >
              Log steps
            </Toggle>
          ) : null}
          <Button
            look="ghost"
            size="icon"
            aria-pressed={table}
            aria-label={`${title} as a table`}
            title="As a table"
            onClick={() => setTable(!table)}
            className={table ? "bg-accent-soft text-accent-ink" : undefined}
          >
            <Table2 />
          </Button>
          <Menu>
            <MenuTrigger asChild>
              <Button look="ghost" size="icon" aria-label={`Save ${title}`} title="Save" disabled={isEmpty}>
                <Download />
              </Button>
            </MenuTrigger>
            <MenuContent>
              <MenuItem onSelect={exportPng} disabled={table}>
                Picture (PNG)
              </MenuItem>
              <MenuItem onSelect={exportCsv}>Numbers (CSV)</MenuItem>
            </MenuContent>
          </Menu>
        </div>
      </figcaption>
      <div className="min-w-0 px-2 pb-2 sm:px-3" style={{ minHeight: height + 8 }}>
        {isEmpty ? (
          loading ? (
            <Skeleton className="mx-2 mt-1" style={{ height: height - 16 }} />
          ) : (
            <p className="grid place-items-center px-4 text-center text-muted" style={{ height }}>
              {props.empty ?? "No values."}
            </p>
          )
        ) : table ? (
          <Table lines={lines} format={format} height={height} title={title} />
        ) : (
          <div
            ref={box}
            role="img"
            aria-label={`${title}: ${lines
              .map((line) => `${line.label} ${format(lastOf(line.curve))}`)
              .join(
                ", ",
              )} at step ${formatNumber(lines[0]?.curve.steps.at(-1))}. The table view lists the values.`}
          />
        )}
      </div>
    </figure>
  );
}

const next = (values: readonly number[], value: number): number =>
  values[(values.indexOf(value) + 1) % values.length] ?? 0;

const lastOf = (curve: Curve): number | null =>
  curve.values.findLast((value): value is number => value !== null) ?? null;

function Toggle({
  on,
  onClick,
  title,
  children,
}: {
  on: boolean;
  onClick: () => void;
  title: string;
  children: React.ReactNode;
}) {
  return (
    <button
      type="button"
      aria-pressed={on}
      onClick={onClick}
      title={title}
      className={cn(
        "h-7 rounded-md px-2 text-xs font-medium figures",
        on ? "bg-accent-soft text-accent-ink" : "text-muted hover:bg-surface-2 hover:text-foreground",
      )}
    >
      {children}
    </button>
  );
}

function Legend({
  lines,
  cursor,
  format,
}: {
  lines: readonly ChartLine[];
  cursor: number | null;
  format: (value: number | null) => string;
}) {
  return (
    <span className="flex flex-wrap items-center gap-x-3 text-sm figures">
      {lines.map((line) => (
        <span key={line.name} className="flex items-center gap-1.5">
          <span
            aria-hidden
            className="h-0.5 w-3 rounded-full"
            style={{ background: `var(${line.colour})` }}
          />
          {lines.length > 1 ? <span className="text-muted">{line.label}</span> : null}
          {cursor !== null ? (
            <span className="min-w-10 font-medium">{format(valueAt(line.curve, cursor))}</span>
          ) : null}
        </span>
      ))}
      {cursor !== null ? <span className="text-muted">step {formatNumber(cursor)}</span> : null}
    </span>
  );
}

/** The value at a step, or the newest before it. */
function valueAt(curve: Curve, step: number): number | null {
  for (let place = curve.steps.length - 1; place >= 0; place -= 1) {
    if ((curve.steps[place] as number) <= step) return curve.values[place] ?? null;
  }
  return null;
}

const TABLE_ROWS = 60;

function Table({
  lines,
  format,
  height,
  title,
}: {
  lines: readonly ChartLine[];
  format: (value: number | null | undefined) => string;
  height: number;
  title: string;
}) {
  const [steps, ...rows] = alignCurves(lines.map((line) => line.curve));
  const every = Math.max(1, Math.ceil(steps.length / TABLE_ROWS));
  const last = steps.length - 1;
  // Rows where a rare metric (validation) has a value are always there.
  const rare = rows.filter((row) => row.filter((value) => value !== undefined).length <= TABLE_ROWS);
  const places = steps
    .map((_, place) => place)
    .filter((place) => place % every === 0 || place === last || rare.some((row) => row[place] !== undefined));
  return (
    <div
      className="overflow-y-auto"
      style={{ height }}
      tabIndex={0}
      role="region"
      aria-label={`${title}, table`}
    >
      <table className="w-full text-sm figures">
        <thead className="sticky top-0 bg-surface text-left text-xs text-muted">
          <tr>
            <th className="px-2 py-1 font-medium">Step</th>
            {lines.map((line) => (
              <th key={line.name} className="px-2 py-1 text-right font-medium">
                {line.label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {places.map((place) => (
            <tr key={place} className="border-t">
              <td className="px-2 py-1">{formatNumber(steps[place])}</td>
              {rows.map((row, column) => (
                <td key={column} className="px-2 py-1 text-right">
                  {row[place] === undefined ? DASH : format(row[place])}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

interface Looks {
  height: number;
  logX: boolean;
  format: (value: number | null) => string;
  onCursor: (step: number | null) => void;
}

function optionsOf(target: HTMLElement, drawn: readonly Drawn[], looks: Looks): uPlot.Options {
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  const font = `12px ${getComputedStyle(document.body).fontFamily}`;
  const ink = colour("--muted");
  return {
    width: target.clientWidth,
    height: looks.height,
    padding: [8, 20, 0, 0],
    legend: { show: false },
    cursor: { sync: { key: "run" }, points: { size: 7 }, drag: { x: true, y: false }, y: false },
    scales: {
      x: { time: false, distr: looks.logX ? 3 : 1, log: 10 },
      y: { range: paddedRange },
    },
    axes: [
      {
        stroke: ink,
        font,
        grid: { show: false },
        ticks: { show: false },
        size: 28,
        gap: 6,
        label: "step",
        labelFont: font,
        labelSize: 16,
        labelGap: -4,
        values: (_chart, ticks) => ticks.map((tick) => (tick === null ? "" : formatShort(tick))),
      },
      {
        stroke: ink,
        font,
        grid: { stroke: colour("--chart-grid"), width: 1 },
        ticks: { show: false },
        size: 52,
        gap: 6,
        space: 36,
        values: (_chart, ticks) => tickTexts(ticks),
      },
    ],
    series: [
      {},
      ...drawn.map((item): uPlot.Series => {
        const strong = colour(item.colour);
        return {
          label: item.label,
          stroke: strong,
          alpha: item.kind === "line" ? 1 : item.kind === "raw" ? 0.25 : 0.3,
          width: item.kind === "line" ? 1.75 : 1,
          dash: item.kind === "ghost" ? [4, 3] : undefined,
          spanGaps: true,
          points: { show: item.kind === "line" && item.points, size: 5, fill: strong },
        };
      }),
    ],
    hooks: {
      setCursor: [
        (chart) => {
          const place = chart.cursor.idx;
          looks.onCursor(place === null || place === undefined ? null : (chart.data[0][place] ?? null));
        },
      ],
    },
  };
}

/** Room above and below; a flat line stays in the middle. */
function paddedRange(_chart: uPlot, low: number, high: number): uPlot.Range.MinMax {
  if (low === null || high === null) return [0, 1];
  const room = (high - low || Math.abs(high) || 1) * 0.06;
  return [low >= 0 && low - room < 0 ? 0 : low - room, high + room];
}

/** The ticks of an axis in one unit, with as few digits as tell them apart. */
export function tickTexts(ticks: readonly number[]): string[] {
  const thousands = ticks.some((tick) => Math.abs(tick) >= 10_000);
  return ticks.map((tick) => {
    const size = Math.abs(tick);
    if (thousands && size > 0 && size < 10_000) return `${formatNumber(tick / 1000, 2)}k`;
    if (size >= 1000) return formatShort(tick);
    if (size !== 0 && size < 1e-3) return tick.toExponential(1).replace(".0e", "e");
    return String(Number(tick.toPrecision(6)));
  });
}
