import { DASH, formatBytes, formatDuration, formatMetric, formatNumber } from "@/lib/format";
import { colourOf } from "@/lib/run-overlay";
import type { Run } from "@/lib/types";

interface Row {
  name: string;
  values: readonly unknown[];
}

/** One line a setting or figure, one column a run. */
export function ComparedTable({
  label,
  runs,
  rows,
  figures = false,
}: {
  label: string;
  runs: readonly Run[];
  rows: readonly Row[];
  figures?: boolean;
}) {
  return (
    <div className="max-h-[32rem] overflow-auto border-t" tabIndex={0} role="region" aria-label={label}>
      <table className="w-full text-sm figures">
        <thead className="sticky top-0 z-10 bg-surface">
          <tr className="border-b">
            <th className="px-4 py-2 text-left text-xs font-medium text-muted sm:px-5">
              {figures ? "Figure" : "Setting"}
            </th>
            {runs.map((run, place) => (
              <th key={run.id} className="px-3 py-2 text-right text-xs font-medium">
                <span className="inline-flex max-w-36 items-center gap-1.5">
                  <span
                    aria-hidden
                    className="h-0.5 w-3 shrink-0"
                    style={{ background: `var(${colourOf(place)})` }}
                  />
                  <span className="truncate">{run.name}</span>
                </span>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(({ name, values }) => (
            <tr key={name} className="border-b last:border-0">
              <th scope="row" className="px-4 py-1.5 text-left font-mono text-xs font-normal sm:px-5">
                {name}
              </th>
              {values.map((value, place) => (
                <td
                  key={place}
                  className="min-w-24 px-3 py-1.5 text-right wrap-anywhere"
                  title={exact(value)}
                >
                  {figures ? figureText(name, value as number | null) : settingText(value)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const exact = (value: unknown): string | undefined => (typeof value === "number" ? String(value) : undefined);

/** A setting as it is written. */
export function settingText(value: unknown): string {
  if (value === null || value === undefined) return DASH;
  if (Array.isArray(value)) return value.length ? value.map(String).join(", ") : "none";
  if (typeof value === "object") return JSON.stringify(value);
  return typeof value === "boolean" ? (value ? "yes" : "no") : String(value);
}

/** A figure in the unit that its name says. */
export function figureText(name: string, value: number | null): string {
  if (value === null) return DASH;
  if (name.endsWith("bytes")) return formatBytes(value);
  if (name === "seconds" || name.endsWith("_seconds")) return formatDuration(value);
  return Number.isInteger(value) ? formatNumber(value) : formatMetric(value);
}
