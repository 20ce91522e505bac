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
          <div className="relative flex flex-col gap-3 pb-6">
            <Bar label="Fine-tuned model" share={tuned} fill="bg-chart-1" chance={chance} />
            {base ? <Bar label="Base model" share={base} fill="bg-chart-2" chance={chance} /> : null}
            <Scale chance={chance} />
          </div>
          <figcaption className="mt-1 text-sm text-pretty text-muted">
            The share of exact answers with its 95% interval (Wilson).
            {chance !== null ? " The dashed line is guessing among the possible answers." : null}
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

// On wide windows the names stand at the left and the figures at the right of the scale from 0 to 1; on phones
// both stand above it.
const SCALE = "sm:mr-40 sm:ml-32";
const at = (share: number) => `${100 * share}%`;
const between = (share: Interval) => `${formatPercent(share.low, 0)} to ${formatPercent(share.high, 0)}`;

function Bar({
  label,
  share,
  fill,
  chance,
}: {
  label: string;
  share: Interval;
  fill: string;
  chance: number | null;
}) {
  return (
    <div className="relative">
      <div className="flex items-baseline justify-between gap-3 sm:absolute sm:inset-x-0 sm:top-0 sm:h-6 sm:items-center">
        <span className="text-sm">{label}</span>
        <span className="w-37 text-right figures max-sm:w-auto">
          <span className="font-semibold">{formatPercent(share.value)}</span>
          <span className="ml-2 inline-block text-sm text-muted sm:w-20">{between(share)}</span>
        </span>
      </div>
      <div
        className={`relative h-6 rounded-sm bg-surface-2 max-sm:mt-0.5 ${SCALE}`}
        role="img"
        aria-label={`${label}: ${formatPercent(share.value)}, 95% interval ${formatPercent(share.low)} to ${formatPercent(share.high)}`}
        title={`95% interval ${formatPercent(share.low)} to ${formatPercent(share.high)}`}
      >
        <div className={`h-full rounded-sm ${fill}`} style={{ width: at(share.value) }} />
        <div
          className="absolute top-1/2 h-0.5 -translate-y-1/2 bg-foreground"
          style={{ left: at(share.low), width: at(share.high - share.low) }}
        />
        {chance !== null ? (
          <div
            className="absolute inset-y-0 -translate-x-1/2 border-l-2 border-dashed border-foreground/60 sm:-inset-y-1.5"
            style={{ left: at(chance) }}
          />
        ) : null}
        {[share.low, share.high].map((end, place) => (
          <div
            key={place}
            className="absolute top-1.5 bottom-1.5 w-0.5 -translate-x-1/2 bg-foreground"
            style={{ left: at(end) }}
          />
        ))}
      </div>
    </div>
  );
}

/** What the scale begins and ends with, and where guessing is. */
function Scale({ chance }: { chance: number | null }) {
  const near = (end: number) => chance !== null && Math.abs(chance - end) < 0.12;
  return (
    <div
      className="pointer-events-none absolute inset-0 text-xs text-muted figures sm:right-40 sm:left-32"
      aria-hidden
    >
      {near(0) ? null : <span className="absolute bottom-0 left-0">0%</span>}
      {near(1) ? null : <span className="absolute right-0 bottom-0">100%</span>}
      {chance !== null ? (
        <span
          className="absolute bottom-0 -translate-x-1/2 whitespace-nowrap"
          style={{ left: `clamp(36px, ${at(chance)}, calc(100% - 36px))` }}
        >
          chance {formatPercent(chance, 0)}
        </span>
      ) : null}
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
