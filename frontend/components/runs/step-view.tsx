import { Card, CardHeader } from "@/components/ui/card";
import { ProgressBar } from "@/components/ui/progress";
import { formatBytes, formatDuration, formatMetric, formatNumber, formatPercent } from "@/lib/format";
import { interval, shareDone } from "@/lib/run-view";
import { isAlive, type Run } from "@/lib/types";

import { Answers } from "./answers";
import { ScoreFigure } from "./score-figure";

/**
 * A stage without curves: how far it is, then what came of it.
 *
 * @param scoreShown the page shows the held-out score already.
 */
export function StepView({ run, scoreShown }: { run: Run; scoreShown: boolean }) {
  const alive = isAlive(run);
  const hasScore = run.stage === "evaluate" && interval(run.summary["exact_match"]) !== null;
  const facts = factsOf(run.summary).filter(([, , key]) => !hasScore || !IN_FIGURE.has(key));
  if (run.stage === "recipe") return null;
  return (
    <>
      {hasScore && !scoreShown ? <ScoreFigure summary={run.summary} /> : null}
      {hasScore && run.output !== null ? <Answers evaluation={run.output} /> : null}
      <Card className={hasScore && !facts.length ? "hidden" : undefined}>
        <CardHeader
          title={alive ? "Progress" : "What came of it"}
          note={alive ? run.progress.message : undefined}
        />
        <div className="px-4 pt-1 pb-4 sm:px-5">
          {alive ? <StepProgress run={run} /> : null}
          {!alive && !facts.length ? <p className="text-muted">It left no figures.</p> : null}
          {facts.length ? (
            <dl className="grid grid-cols-2 gap-x-6 gap-y-3 sm:grid-cols-3 lg:grid-cols-5">
              {facts.map(([name, value]) => (
                <div key={name} className="min-w-0">
                  <dt className="truncate text-sm text-muted">{name}</dt>
                  <dd className="truncate font-medium figures" title={value}>
                    {value}
                  </dd>
                </div>
              ))}
            </dl>
          ) : null}
        </div>
      </Card>
    </>
  );
}

/** The bar of a run at work with its figures. */
export function StepProgress({ run }: { run: Run }) {
  const { done, total, unit, eta_s } = run.progress;
  const share = shareDone(run);
  return (
    <div className="mb-3">
      <ProgressBar value={share} label={`Progress of ${run.name}`} />
      <p className="mt-2 flex flex-wrap justify-between gap-x-4 text-sm text-muted figures">
        <span>
          {formatNumber(done)}
          {total ? ` of ${formatNumber(total)}` : null} {unit}
          {share !== null ? ` (${formatPercent(share, 0)})` : null}
        </span>
        {eta_s !== null && eta_s > 0 ? <span>about {formatDuration(eta_s)} to go</span> : null}
      </p>
    </div>
  );
}

const IN_FIGURE = new Set(["exact_match", "baseline_exact_match", "chance", "questions"]);
const HIDDEN = new Set(["steps", "by_kind", "examples", "model", "baseline", "chat", "stage", "output"]);

/** The figures of a summary with names and units for people, and their keys. */
export function factsOf(summary: Record<string, unknown>): [string, string, string][] {
  return Object.entries(summary).flatMap(([key, value]): [string, string, string][] => {
    if (HIDDEN.has(key)) return [];
    const words = nameOf(key);
    const share = interval(value);
    if (share) return [[words, formatPercent(share.value), key]];
    if (typeof value === "number") return [[words, amount(key, value), key]];
    if (typeof value === "boolean") return [[words, value ? "yes" : "no", key]];
    if (typeof value === "string" && value.length <= 60) return [[words, value, key]];
    return [];
  });
}

function nameOf(key: string): string {
  const words = key
    .replaceAll("_", " ")
    .replace(/ bytes$/, "")
    .trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function amount(key: string, value: number): string {
  if (key.endsWith("bytes") || key === "size") return formatBytes(value);
  if (key === "seconds" || key.endsWith("_seconds") || key.endsWith("_s")) return formatDuration(value);
  if (key === "chance" || key.endsWith("_fraction") || key.endsWith("_share")) return formatPercent(value);
  return Number.isInteger(value) ? formatNumber(value) : formatMetric(value);
}
