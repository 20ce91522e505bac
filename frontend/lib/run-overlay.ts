"use client";

import { keepPreviousData, useQueries } from "@tanstack/react-query";

import type { ChartLine } from "@/components/runs/chart-lines";

import { api } from "./api";
import { MetricStore } from "./metrics";
import { isAlive, type Run } from "./types";

const COLOURS = 5;
const POINTS = 800;
const REFRESH_MS = 3_000;
/** Metrics that one wants to see first. */
const FIRST = ["train/loss", "val/loss", "val/bits_per_byte"];

/** The colour of the run at a place; from the sixth on they come again, dashed. */
export const colourOf = (place: number): string => `--chart-${(place % COLOURS) + 1}`;

/** One metric of several runs, in their order; read again while a run is at work. */
export function useManyMetrics(runs: readonly Run[], name: string) {
  const queries = useQueries({
    queries: runs.map((run) => ({
      queryKey: ["metrics", run.id, "one", name],
      queryFn: async ({ signal }: { signal: AbortSignal }) => {
        const store = new MetricStore();
        store.load(await api.metrics(run.id, POINTS, signal, { names: name }));
        return store;
      },
      staleTime: isAlive(run) ? 0 : Infinity,
      refetchInterval: isAlive(run) ? REFRESH_MS : (false as const),
      structuralSharing: false,
      placeholderData: keepPreviousData, // the list of names stays while another one is read
    })),
  });
  return {
    metrics: queries.map((query) => query.data),
    version: queries.reduce((sum, query) => sum + query.dataUpdatedAt, 0),
    failed: queries.find((query) => query.isError)?.error ?? null,
    pending: queries.some((query) => query.isPending || query.isPlaceholderData),
  };
}

/** The names of all metrics that some run has, what one wants to see first in front. */
export function namesOf(metrics: readonly (MetricStore | undefined)[]): string[] {
  const all = [...new Set(metrics.flatMap((store) => store?.allNames() ?? []))].sort();
  return [...FIRST.filter((name) => all.includes(name)), ...all.filter((name) => !FIRST.includes(name))];
}

/** One line a run that has the metric. */
export function linesOf(
  runs: readonly Run[],
  metrics: readonly (MetricStore | undefined)[],
  name: string,
  smoothing: number,
): ChartLine[] {
  return runs.flatMap((run, place) => {
    const store = metrics[place];
    if (!store?.names().includes(name)) return [];
    return [
      {
        name: `${run.name} (${run.id})`,
        label: run.name,
        colour: colourOf(place),
        curve: store.curve(name),
        ghosts: store.ghosts(name),
        origin: store.origin(),
        smoothing,
        points: name.startsWith("val/"),
        dashed: place >= COLOURS,
      },
    ];
  });
}
