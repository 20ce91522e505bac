/** The table of runs: which are shown, in which order, and how an address says so. */

import { stageTitle } from "./run-view";
import type { SmallCurve } from "./run-types";
import { isAlive, type Run } from "./types";
import { withQuery } from "./utils";

export type Show = "all" | "active" | "finished" | "problems";
export const SORTS = {
  newest: "Newest first",
  oldest: "Oldest first",
  name: "By name",
  loss: "Lowest loss first",
  duration: "Longest first",
} as const;
export type Sort = keyof typeof SORTS;

export interface View {
  words: string;
  show: Show;
  /** Empty: all stages. */
  stage: string;
  sort: Sort;
}

const SHOWN: readonly Show[] = ["all", "active", "finished", "problems"];

export function readView(query: URLSearchParams): View {
  const show = query.get("state") as Show;
  const sort = query.get("sort") as Sort;
  return {
    words: query.get("q") ?? "",
    show: SHOWN.includes(show) ? show : "all",
    stage: query.get("stage") ?? "",
    sort: sort in SORTS ? sort : "newest",
  };
}

export const viewHref = ({ words, show, stage, sort }: View): string =>
  withQuery("/runs/", {
    q: words,
    state: show === "all" ? null : show,
    stage,
    sort: sort === "newest" ? null : sort,
  });

const belongs = (run: Run, show: Show): boolean =>
  show === "all" ||
  (show === "active" && isAlive(run)) ||
  (show === "finished" && run.state === "finished") ||
  (show === "problems" && !isAlive(run) && run.state !== "finished");

/** The newest loss that is known of a run: as it says itself, else the end of its curve. */
export function lastLoss(run: Run, curve?: SmallCurve): number | null {
  const said = isAlive(run) ? run.progress.details["loss"] : undefined;
  if (typeof said === "number" && Number.isFinite(said)) return said;
  return curve?.value.findLast((value): value is number => value !== null) ?? null;
}

const seconds = (run: Run): number =>
  run.started_at === null ? -1 : (run.finished_at ?? Date.now() / 1000) - run.started_at;

/** The runs of a view, in its order; every word must be in the name, id, stage, tags or notes. */
export function shownRuns(
  runs: readonly Run[],
  view: View,
  curves: Readonly<Record<string, SmallCurve>> = {},
): Run[] {
  const words = view.words.toLowerCase().split(/\s+/).filter(Boolean);
  const found = runs.filter((run) => {
    if (!belongs(run, view.show) || (view.stage && run.stage !== view.stage)) return false;
    const text = [run.name, run.id, stageTitle(run.stage), ...run.tags, run.notes].join(" ").toLowerCase();
    return words.every((word) => text.includes(word));
  });
  const loss = (run: Run) => lastLoss(run, curves[run.id]) ?? Infinity;
  const order: Record<Sort, (a: Run, b: Run) => number> = {
    newest: () => 0, // as they come
    oldest: (a, b) => a.created_at - b.created_at,
    name: (a, b) => a.name.localeCompare(b.name, "en", { numeric: true }),
    loss: (a, b) => (loss(a) === loss(b) ? 0 : loss(a) - loss(b)),
    duration: (a, b) => seconds(b) - seconds(a),
  };
  return [...found].sort(order[view.sort]);
}

export const compareHref = (ids: readonly string[]): string =>
  withQuery("/runs/compare/", { ids: ids.join(",") }).replaceAll("%2C", ",");

/** A curve as the path of a small picture; empty where fewer than two values are finite. */
export function sparkPath(values: readonly (number | null)[], width: number, height: number): string {
  const finite = values.filter((value): value is number => value !== null && Number.isFinite(value));
  if (finite.length < 2) return "";
  const [low, high] = [Math.min(...finite), Math.max(...finite)];
  const span = high - low || 1;
  const every = width / Math.max(1, values.length - 1);
  let pen = "M";
  return values
    .flatMap((value, place) => {
      if (value === null || !Number.isFinite(value)) return [];
      const point = `${pen}${(place * every).toFixed(1)},${(height - ((value - low) / span) * height).toFixed(1)}`;
      pen = "L";
      return [point];
    })
    .join("");
}
