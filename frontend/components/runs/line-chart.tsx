"use client";

import "uplot/dist/uPlot.min.css";

import { ZoomOut } from "lucide-react";
import { useTheme } from "next-themes";
import { type ReactNode, useEffect, useId, useMemo, useRef, useState } from "react";
import uPlot from "uplot";

import { Button } from "@/components/ui/button";
import { ChartActions } from "@/components/ui/chart-actions";
import { Skeleton } from "@/components/ui/skeleton";
import { save } from "@/lib/download";
import { formatMetric } from "@/lib/format";
import { alignCurves, type Curve, onAxis, toCsv } from "@/lib/metrics";
import type { Click } from "@/lib/run-pick";

import { ChartControls, type ControlProps } from "./chart-controls";
import { ChartKeys } from "./chart-keys";
import { type ChartLine, drawnOf, type Mark, type PlacedMark, placedMarks, type Scales } from "./chart-lines";
import { optionsOf, placeWords, type Rule } from "./chart-options";
import { ChartTable, DepthLegend, Legend } from "./chart-parts";

interface Props extends ControlProps {
  title: string;
  unit?: string;
  file: string;
  lines: readonly ChartLine[];
  /** Changes whenever the curves do: they are mutable and live outside React. */
  version: number;
  height: number;
  marks?: readonly Mark[];
  /** The stretch of the axis to show; null: all of it. */
  zoom?: readonly [number, number] | null;
  loading?: boolean;
  empty?: string;
  format?: (value: number | null | undefined) => string;
  /** How the values of the upright axis read, where not as plain numbers. */
  tick?: (value: number) => string;
  /** A value that the lines are held against. */
  rule?: Rule;
  /** The lines are layers, from the first to the last: the legend shows a scale and the nearest of them. */
  depth?: boolean;
  onZoom?: (stretch: [number, number] | null) => void;
  /** The chart can be clicked, and its points reached by keys. */
  onPick?: (click: Click) => void;
  /** Further buttons of the head. */
  children?: ReactNode;
}

const NO_MARKS: readonly Mark[] = [];
/** Pixels of height up to which a chart is small: its head must stay one line when the cursor's values come. */
const SMALL = 150;

/** One wrapper around uPlot for every curve: legend with the value under the cursor, export, table. */
export default function LineChart(props: Props) {
  const { title, unit, lines, version, height, loading, format = formatMetric } = props;
  const { axis = "step", logX = false, logY = false, marks = NO_MARKS, onZoom } = props;
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const [cursor, setCursor] = useState<number | null>(null);
  const [mark, setMark] = useState<PlacedMark | null>(null);
  const [nearest, setNearest] = useState<string | null>(null);
  const [own, setOwn] = useState<readonly [number, number] | null>(null);
  const zoom = (onZoom ? props.zoom : own) ?? null;
  const [table, setTable] = useState(false);
  const { resolvedTheme } = useTheme();
  const heading = useId();
  const scales: Scales = useMemo(() => ({ axis, logX, logY }), [axis, logX, logY]);
  const drawn = useMemo(
    () => drawnOf(lines, scales),
    // eslint-disable-next-line react-hooks/exhaustive-deps -- the curves inside `lines` change with `version`
    [version, scales, props.smoothing, title, lines.length],
  );
  const flags = useMemo(
    () => placedMarks(marks, lines, scales),
    // eslint-disable-next-line react-hooks/exhaustive-deps -- as above
    [version, scales, marks],
  );
  const small = height <= SMALL;
  const isEmpty = lines.every((line) => line.curve.steps.length === 0);
  const shape = drawn.map((item) => `${item.kind}${item.colour}${item.dashed}`).join();
  const latest = useRef({ drawn, flags, zoom, onZoom, onPick: props.onPick, tick: props.tick });
  useEffect(() => {
    latest.current = { drawn, flags, zoom, onZoom, onPick: props.onPick, tick: props.tick };
  });
  const { at: ruleAt, label: ruleLabel } = props.rule ?? {};

  useEffect(() => {
    const target = box.current;
    if (!target || table || isEmpty) return undefined;
    const options = optionsOf(target, latest.current.drawn, {
      height,
      scales,
      zoom: () => latest.current.zoom,
      marks: () => latest.current.flags,
      rule: ruleAt === undefined ? undefined : { at: ruleAt, label: ruleLabel ?? "" },
      tick: latest.current.tick,
      onCursor: (at, near, line) => {
        setCursor(at);
        setMark(near);
        setNearest(line);
      },
      onClick: () => latest.current.onPick,
      onZoom: (stretch) => (latest.current.onZoom ?? setOwn)(stretch),
    });
    const data = alignCurves(latest.current.drawn.map((item) => item.curve));
    const chart = new uPlot(options, data as uPlot.AlignedData, target);
    plot.current = chart;
    const observer = new ResizeObserver(() => chart.setSize({ width: target.clientWidth, height }));
    observer.observe(target);
    return () => {
      observer.disconnect();
      chart.destroy();
      plot.current = null;
    };
  }, [height, scales, shape, table, isEmpty, resolvedTheme, ruleAt, ruleLabel]);

  useEffect(() => {
    plot.current?.setData(alignCurves(drawn.map((item) => item.curve)) as uPlot.AlignedData);
  }, [drawn, flags, zoom]);

  const exportCsv = () =>
    save(
      new Blob([
        toCsv(
          lines.map((line) => line.name),
          lines.map((line) => onAxis(line.curve, axis, line.origin)),
          axis,
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

  const last = lines[0] && onAxis(lines[0].curve, axis, lines[0].origin).steps.at(-1);
  return (
    <figure aria-labelledby={heading} className="flex h-full min-w-0 flex-col">
      <figcaption className="flex min-h-12 flex-wrap items-center gap-x-3 gap-y-1 px-4 pt-3 pb-1 sm:px-5">
        <h3 id={heading} className="text-base font-semibold">
          {title}
        </h3>
        {unit && !(small && cursor !== null) ? <span className="text-sm text-muted">{unit}</span> : null}
        {props.depth ? (
          <DepthLegend lines={lines} scales={scales} cursor={cursor} nearest={nearest} format={format} />
        ) : lines.length > 1 || cursor !== null ? (
          <Legend
            lines={lines}
            scales={scales}
            cursor={cursor}
            mark={small ? null : mark}
            format={format}
            small={small}
          />
        ) : null}
        <div className="ml-auto flex flex-wrap items-center justify-end gap-0.5">
          {zoom ? (
            <Button
              look="ghost"
              size="icon"
              aria-label="Show all of it again"
              title="Show all of it again"
              onClick={() => (onZoom ?? setOwn)(null)}
            >
              <ZoomOut />
            </Button>
          ) : null}
          <ChartControls {...props} />
          {props.children}
          <ChartActions
            title={title}
            table={table}
            onTable={setTable}
            picture="PNG"
            onPicture={exportPng}
            onCsv={exportCsv}
            isEmpty={isEmpty}
          />
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
          <ChartTable lines={lines} axis={axis} format={format} height={height} title={title} />
        ) : (
          <div className={props.onPick ? "relative [&_.u-over]:cursor-pointer" : "relative"}>
            <div
              ref={box}
              role="img"
              aria-label={`${title}: ${lines
                .map((line) => `${line.label} ${format(lastOf(line.curve))}`)
                .join(", ")} at ${placeWords(axis, last ?? 0)}. The table view lists the values.`}
            />
            {props.onPick ? <ChartKeys plot={plot} title={title} axis={axis} onPick={props.onPick} /> : null}
          </div>
        )}
      </div>
    </figure>
  );
}

const lastOf = (curve: Curve): number | null =>
  curve.values.findLast((value): value is number => value !== null) ?? null;
