import { Card, CardHeader } from "@/components/ui/card";
import { formatNumber, formatPercent } from "@/lib/format";
import { figure, interval } from "@/lib/run-view";
import type { Interval } from "@/lib/types";

/** The held-out score with its interval, beside the base model and chance. */
export function ScoreFigure({ summary }: { summary: Record<string, unknown> }) {
  const tuned = interval(summary["exact_match"]);
  const base = interval(summary["baseline_exact_match"]);
  const chance = figure(summary, "chance");
  if (!tuned) return null;
  const kinds = byKind(summary["by_kind"]);
  return (
    <Card>
      <CardHeader
        title="Questions it never saw"
        note={`${formatNumber(tuned.correct)} of ${formatNumber(tuned.count)} answered exactly right`}
      />
      <div className="px-4 pt-2 pb-4 sm:px-5">
        <figure>
          <div className="relative flex flex-col gap-3 pb-7">
            <Bar label="Fine-tuned model" share={tuned} fill="bg-chart-1" />
            {base ? <Bar label="Base model" share={base} fill="bg-chart-2" /> : null}
            {chance !== null ? <Chance value={chance} /> : null}
          </div>
          <figcaption className="text-sm text-pretty text-muted">
            The share of exact answers, with 95% intervals (Wilson).
            {chance !== null
              ? ` The dashed line is guessing among the possible answers, ${formatPercent(chance)}.`
              : null}
          </figcaption>
        </figure>
        {kinds.length > 1 ? (
          <details className="mt-3">
            <summary className="w-fit rounded-sm text-sm text-muted hover:text-foreground">
              By kind of question
            </summary>
            <table className="mt-2 w-full max-w-xl text-sm">
              <thead>
                <tr className="border-b text-left text-xs text-muted">
                  <th className="py-1.5 font-medium">Kind</th>
                  <th className="py-1.5 text-right font-medium">Right</th>
                  <th className="py-1.5 text-right font-medium">Share</th>
                  <th className="py-1.5 text-right font-medium">95% interval</th>
                </tr>
              </thead>
              <tbody className="figures">
                {kinds.map(([kind, share]) => (
                  <tr key={kind} className="border-b last:border-0">
                    <td className="py-1.5">{kind.replaceAll("_", " ")}</td>
                    <td className="py-1.5 text-right">
                      {share.correct} of {share.count}
                    </td>
                    <td className="py-1.5 text-right">{formatPercent(share.value, 0)}</td>
                    <td className="py-1.5 text-right text-muted">
                      {formatPercent(share.low, 0)} to {formatPercent(share.high, 0)}
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </details>
        ) : null}
      </div>
    </Card>
  );
}

// The names at the left are 128 px wide, the figures at the right 64; what is between is the scale from 0 to 1.
const LEFT = 128;
const RIGHT = 64;
const at = (share: number) => `${100 * share}%`;

function Bar({ label, share, fill }: { label: string; share: Interval; fill: string }) {
  return (
    <div className="flex items-center">
      <span className="shrink-0 truncate pr-3 text-sm" style={{ width: LEFT }}>
        {label}
      </span>
      <div
        className="relative h-6 min-w-0 flex-1 rounded-sm bg-surface-2"
        role="img"
        aria-label={`${label}: ${formatPercent(share.value)}, 95% interval ${formatPercent(share.low)} to ${formatPercent(share.high)}`}
        title={`95% interval ${formatPercent(share.low)} to ${formatPercent(share.high)}`}
      >
        <div className={`h-full rounded-sm ${fill}`} style={{ width: at(share.value) }} />
        <div
          className="absolute top-1/2 h-0.5 -translate-y-1/2 bg-foreground"
          style={{ left: at(share.low), width: at(share.high - share.low) }}
        />
        {[share.low, share.high].map((end, place) => (
          <div
            key={place}
            className="absolute top-1.5 bottom-1.5 w-0.5 -translate-x-1/2 bg-foreground"
            style={{ left: at(end) }}
          />
        ))}
      </div>
      <span className="shrink-0 pl-3 text-right font-semibold figures" style={{ width: RIGHT }}>
        {formatPercent(share.value)}
      </span>
    </div>
  );
}

function Chance({ value }: { value: number }) {
  return (
    <div className="pointer-events-none absolute inset-y-0" style={{ left: LEFT, right: RIGHT }} aria-hidden>
      <div
        className="absolute top-0 bottom-6 border-l-2 border-dashed border-foreground/60"
        style={{ left: at(value) }}
      />
      <span
        className="absolute bottom-0 -translate-x-1/2 text-xs whitespace-nowrap text-muted figures"
        style={{ left: `max(24px, ${at(value)})` }}
      >
        chance
      </span>
    </div>
  );
}

function byKind(value: unknown): [string, Interval][] {
  if (value === null || typeof value !== "object") return [];
  return Object.entries(value).flatMap(([kind, share]) => {
    const found = interval(share);
    return found ? [[kind, found] as [string, Interval]] : [];
  });
}
