"use client";

import "@/components/architecture/heat.css";

import { type PointerEvent, useEffect, useId, useMemo, useRef, useState } from "react";

import { useThemeClass } from "@/components/architecture/use-theme-class";
import { useWidth } from "@/components/architecture/use-width";
import { ChartActions } from "@/components/ui/chart-actions";
import { readRamp } from "@/lib/attention-ramp";
import { save } from "@/lib/download";
import { formatMetric, formatNumber, formatPercent, formatShort } from "@/lib/format";
import {
  bandTicks,
  columnEdges,
  type Histogram,
  histogramCsv,
  type Picture,
  pictureOf,
  quantile,
  QUANTILES,
} from "@/lib/run-histograms";

interface Props {
  title: string;
  file: string;
  edges: readonly number[];
  histograms: readonly Histogram[];
  height: number;
}

const LEFT = 56; // of the picture: the values beside it
const RIGHT = 20;
const FOOT = 40; // below it: the steps
const TICK_PX = 22;

/** Histograms through time as heat: a column a step, the more values the stronger; with the same as a table. */
export function HistogramPicture({ title, file, edges, histograms, height }: Props) {
  const picture = useMemo(() => pictureOf(edges, histograms), [edges, histograms]);
  const canvas = useRef<HTMLCanvasElement>(null);
  const [box, boxWidth] = useWidth<HTMLDivElement>(640);
  const theme = useThemeClass();
  const [at, setAt] = useState<{ column: number; band: number } | null>(null);
  const [table, setTable] = useState(false);
  const heading = useId();
  const width = Math.max(40, boxWidth - LEFT - RIGHT);
  const columns = useMemo(() => columnEdges(picture.steps, width), [picture, width]);
  const tall = height - FOOT;

  useEffect(() => {
    if (canvas.current) paint(canvas.current, picture, columns, boxWidth, height);
  }, [picture, columns, boxWidth, height, theme, table]);

  const onPointerMove = (event: PointerEvent<HTMLCanvasElement>) => {
    const frame = event.currentTarget.getBoundingClientRect();
    const [x, y] = [event.clientX - frame.left - LEFT, event.clientY - frame.top];
    const column = columns.findIndex((edge, place) => edge <= x && x < (columns[place + 1] ?? -1));
    const band = Math.floor((1 - y / tall) * picture.bands.length);
    setAt(column < 0 || band < 0 || band >= picture.bands.length ? null : { column, band });
  };
  const exportPng = () => canvas.current?.toBlob((blob) => blob && save(blob, `${file}.png`));

  return (
    <figure aria-labelledby={heading} className="min-w-0">
      <figcaption className="flex min-h-12 flex-wrap items-center gap-x-3 gap-y-1 px-4 pt-2 pb-1 sm:px-5">
        <h3 id={heading} className="text-base font-semibold">
          {title}
        </h3>
        <span className="text-sm text-muted figures">{at ? <Words picture={picture} {...at} /> : null}</span>
        <div className="ml-auto flex items-center gap-0.5">
          <ChartActions
            title={title}
            table={table}
            onTable={setTable}
            picture="PNG"
            onPicture={exportPng}
            onCsv={() => save(new Blob([histogramCsv(edges, histograms)]), `${file}.csv`)}
            isEmpty={!picture.steps.length}
          />
        </div>
      </figcaption>
      <div ref={box} className="relative min-w-0" style={{ height }}>
        {table ? (
          <Quantiles picture={picture} title={title} height={height} />
        ) : (
          <canvas
            ref={canvas}
            role="img"
            aria-label={`${title}: ${picture.steps.length} histograms, from step ${formatNumber(picture.steps[0])} to ${formatNumber(picture.steps.at(-1))}. The table view lists their quantiles.`}
            className="block"
            style={{ width: boxWidth, height }}
            onPointerMove={onPointerMove}
            onPointerLeave={() => setAt(null)}
          />
        )}
        {at && !table ? (
          <span
            aria-hidden
            className="pointer-events-none absolute outline outline-foreground"
            style={{
              left: LEFT + columns[at.column]!,
              width: Math.max(2, columns[at.column + 1]! - columns[at.column]!),
              top: tall - ((at.band + 1) * tall) / picture.bands.length,
              height: tall / picture.bands.length,
            }}
          />
        ) : null}
      </div>
    </figure>
  );
}

function Words({ picture, column, band }: { picture: Picture; column: number; band: number }) {
  const { low, high } = picture.bands[band]!;
  const count = picture.counts[column]?.[band] ?? 0;
  const total = picture.totals[column] ?? 0;
  return (
    <>
      step {formatNumber(picture.steps[column])}: {formatMetric(low)} to {formatMetric(high)},{" "}
      <span className="font-medium text-foreground">{formatNumber(count)}</span> of {formatShort(total)}{" "}
      values
      {total ? ` (${formatPercent(count / total)})` : ""}
    </>
  );
}

function Quantiles({ picture, title, height }: { picture: Picture; title: string; height: number }) {
  return (
    <div
      className="overflow-y-auto px-2 sm:px-3"
      style={{ height }}
      tabIndex={0}
      role="region"
      aria-label={`${title}, table`}
    >
      <table className="w-full text-sm figures">
        <thead className="sticky top-0 bg-surface text-left text-xs text-muted">
          <tr>
            <th className="px-2 py-1 font-medium">Step</th>
            <th className="px-2 py-1 text-right font-medium">Values</th>
            {QUANTILES.map((share) => (
              <th key={share} className="px-2 py-1 text-right font-medium">
                {share === 0.5 ? "Median" : `${100 * share}%`}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {picture.steps.map((step, column) => (
            <tr key={`${step} ${column}`} className="border-t">
              <td className="px-2 py-1">{formatNumber(step)}</td>
              <td className="px-2 py-1 text-right">{formatNumber(picture.totals[column])}</td>
              {QUANTILES.map((share) => (
                <td key={share} className="px-2 py-1 text-right">
                  {formatMetric(quantile(picture, column, share))}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** Draws heat, values and steps at the screen's own resolution. */
function paint(
  canvas: HTMLCanvasElement,
  picture: Picture,
  columns: readonly number[],
  width: number,
  height: number,
): void {
  const pen = canvas.getContext("2d");
  const ramp = readRamp("heat");
  if (!pen || !ramp) return;
  const unit = devicePixelRatio || 1;
  canvas.width = Math.round(width * unit);
  canvas.height = Math.round(height * unit);
  pen.scale(unit, unit);
  const style = getComputedStyle(document.documentElement);
  const tall = height - FOOT;
  const whole = (place: number) => Math.round(place * unit) / unit; // no seams between cells
  pen.fillStyle = style.getPropertyValue("--surface");
  pen.fillRect(0, 0, width, height);
  const rows = picture.bands.length;
  picture.counts.forEach((counts, column) => {
    const most = Math.max(1, ...counts);
    const [left, right] = [columns[column] ?? 0, columns[column + 1] ?? 0];
    counts.forEach((count, band) => {
      const place = count ? Math.max(10, Math.round(255 * Math.sqrt(count / most))) : 0;
      pen.fillStyle = rgb(ramp[place]!);
      const [top, foot] = [band + 1, band].map((edge) => whole(tall - (edge * tall) / rows)) as [
        number,
        number,
      ];
      const [from, to] = [whole(LEFT + left), whole(LEFT + right)];
      pen.fillRect(from, top, to - from, foot - top);
    });
  });
  pen.fillStyle = style.getPropertyValue("--muted");
  pen.font = `12px ${getComputedStyle(document.body).fontFamily}`;
  pen.textAlign = "right";
  pen.textBaseline = "middle";
  for (const { band, value } of bandTicks(picture.bands, Math.ceil((TICK_PX * rows) / tall))) {
    const text = value === 0 ? "0" : Math.abs(value) < 1e-3 ? value.toExponential(0) : String(value);
    pen.fillText(text, LEFT - 8, tall - ((band + 0.5) * tall) / rows);
  }
  pen.textBaseline = "top";
  pen.textAlign = "center";
  const wide = columns.at(-1) ?? 0;
  let free = -Infinity;
  picture.steps.forEach((step, column) => {
    const middle = ((columns[column] ?? 0) + (columns[column + 1] ?? 0)) / 2;
    if (middle < free || middle > wide) return;
    pen.fillText(formatShort(step), LEFT + middle, tall + 6);
    free = middle + 72;
  });
  pen.fillText("step", LEFT + wide / 2, tall + 22);
}

const rgb = (pixel: number): string => `rgb(${pixel & 255}, ${(pixel >>> 8) & 255}, ${(pixel >>> 16) & 255})`;
