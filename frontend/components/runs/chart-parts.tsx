"use client";

import { DASH, formatDuration, formatFlops, formatNumber } from "@/lib/format";
import { alignCurves, AXES, type Axis, type Curve, onAxis } from "@/lib/metrics";

import { type ChartLine, placed, type PlacedMark, type Scales } from "./chart-lines";
import { placeWords } from "./chart-options";

/** The lines with their value under the cursor, and what happened there. */
export function Legend({
  lines,
  scales,
  cursor,
  mark,
  format,
  small = false,
}: {
  lines: readonly ChartLine[];
  scales: Scales;
  cursor: number | null;
  mark: PlacedMark | null;
  format: (value: number | null) => string;
  /** There is little room: of several lines only the values stand at the cursor. */
  small?: boolean;
}) {
  const short = small && cursor !== null && lines.length > 1;
  return (
    <span className="flex flex-wrap items-center gap-x-3 text-sm figures">
      {lines.map((line) => (
        <span key={line.name} className="flex items-center gap-1.5">
          <span
            aria-hidden
            className="h-0.5 w-3 rounded-full"
            style={{ background: cssColour(line.colour) }}
          />
          {lines.length > 1 && !short ? <span className="text-muted">{line.label}</span> : null}
          {cursor !== null ? (
            <span className="min-w-10 font-medium">
              {format(valueAt(placed(line.curve, scales, line.origin), cursor))}
            </span>
          ) : null}
        </span>
      ))}
      {cursor !== null && !short ? (
        <span className="text-muted">{placeWords(scales.axis, cursor)}</span>
      ) : null}
      {mark ? <span className={mark.kind === "alert" ? "text-bad" : "text-muted"}>{mark.label}</span> : null}
    </span>
  );
}

/** A line's colour as style sheets take it. */
const cssColour = (colour: string): string => (colour.startsWith("--") ? `var(${colour})` : colour);

/** Lines that are layers: their colours from the first to the last, and the one under the cursor. */
export function DepthLegend({
  lines,
  scales,
  cursor,
  nearest,
  format,
}: {
  lines: readonly ChartLine[];
  scales: Scales;
  cursor: number | null;
  nearest: string | null;
  format: (value: number | null) => string;
}) {
  const line = cursor === null ? undefined : lines.find(({ label }) => label === nearest);
  if (line && cursor !== null) {
    return (
      <span className="flex flex-wrap items-center gap-x-3 text-sm figures">
        <span className="flex items-center gap-1.5">
          <span
            aria-hidden
            className="h-0.5 w-3 rounded-full"
            style={{ background: cssColour(line.colour) }}
          />
          <span className="text-muted">{line.label}</span>
          <span className="min-w-10 font-medium">
            {format(valueAt(placed(line.curve, scales, line.origin), cursor))}
          </span>
        </span>
        <span className="text-muted">{placeWords(scales.axis, cursor)}</span>
      </span>
    );
  }
  if (lines.length < 2) return null;
  const stops = lines.map(({ colour }) => cssColour(colour)).join(", ");
  return (
    <span className="flex items-center gap-2 text-sm text-muted">
      {lines[0]?.label}
      <span
        aria-hidden
        className="h-1.5 w-20 rounded-full"
        style={{ background: `linear-gradient(to right, ${stops})` }}
      />
      {lines.at(-1)?.label}
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

/** The numbers behind a chart, thinned to what one can read. */
export function ChartTable({
  lines,
  axis,
  format,
  height,
  title,
}: {
  lines: readonly ChartLine[];
  axis: Axis;
  format: (value: number | null | undefined) => string;
  height: number;
  title: string;
}) {
  const [steps, ...rows] = alignCurves(lines.map((line) => onAxis(line.curve, axis, line.origin)));
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
            <th className="px-2 py-1 font-medium">{AXES[axis]}</th>
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
              <td className="px-2 py-1">
                {axis === "time"
                  ? formatDuration(steps[place])
                  : axis === "flops"
                    ? formatFlops(steps[place])
                    : formatNumber(steps[place])}
              </td>
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
