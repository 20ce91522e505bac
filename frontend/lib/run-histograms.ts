"use client";

import { useQuery } from "@tanstack/react-query";

import { request } from "./api";
import type { components } from "./api.gen";
import { layerOrder } from "./run-layers";
import { withQuery } from "./utils";

export type RunHistograms = components["schemas"]["RunHistograms"];
export type Histogram = components["schemas"]["Histogram"];

const MOST_STEPS = 150;
const REFRESH_MS = 5_000;

/** Histograms of a layer through time; without a name only what there is. */
export const useHistograms = (id: string, name: string | null, alive: boolean) =>
  useQuery({
    queryKey: ["histograms", id, name],
    queryFn: ({ signal }) =>
      request<RunHistograms>(
        withQuery(`/api/v1/runs/${encodeURIComponent(id)}/histograms`, {
          names: name,
          limit: String(MOST_STEPS),
        }),
        { signal },
      ),
    refetchInterval: alive ? REFRESH_MS : false,
    staleTime: alive ? 0 : Infinity,
  });

/** The layers that have histograms of a kind ("weights"), in their order. */
export const layersOf = (names: readonly string[], kind: string): string[] =>
  names
    .filter((name) => name.startsWith(`${kind}/`))
    .map((name) => name.slice(kind.length + 1))
    .sort(layerOrder);

/** A row of the picture: the values of one or, around zero, of many bins. */
export interface Band {
  low: number;
  high: number;
  /** The bins, `end` not among them. */
  start: number;
  end: number;
}

export interface Picture {
  steps: number[];
  /** From the smallest values to the greatest. */
  bands: Band[];
  /** Counts by step, then by band. */
  counts: number[][];
  totals: number[];
}

const NEAR_ZERO = 0.005; // share of all values that may be drawn as one band around zero

/**
 * The histograms as a picture: no bins beyond the outermost value, and the many tiny ones around zero, where
 * hardly anything lies, as one band.
 */
export function pictureOf(edges: readonly number[], histograms: readonly Histogram[]): Picture {
  const bins = edges.length - 1;
  const sums = new Array<number>(bins).fill(0);
  for (const { counts } of histograms) counts.forEach((count, bin) => void (sums[bin]! += count));
  const all = sums.reduce((sum, count) => sum + count, 0);
  const first = sums.findIndex((count) => count > 0);
  const last = sums.findLastIndex((count) => count > 0);
  if (first < 0) return { steps: [], bands: [], counts: [], totals: [] };
  const middle = (bins - 1) / 2;
  let reach = 0; // bins on each side of the middle one that are joined with it
  let inside = sums[middle]!;
  while (reach < middle) {
    const more = sums[middle - reach - 1]! + sums[middle + reach + 1]!;
    if (inside + more > NEAR_ZERO * all) break;
    inside += more;
    reach += 1;
  }
  const bands: Band[] = [];
  for (let bin = first; bin <= last; bin += 1) {
    const joined = Math.abs(bin - middle) <= reach;
    const end = joined ? middle + reach + 1 : bin + 1;
    bands.push({ low: edges[joined ? middle - reach : bin]!, high: edges[end]!, start: bin, end });
    bin = end - 1;
  }
  const counts = histograms.map((histogram) =>
    bands.map(({ start, end }) => histogram.counts.slice(start, end).reduce((sum, count) => sum + count, 0)),
  );
  return {
    steps: histograms.map(({ step }) => step),
    bands,
    counts,
    totals: counts.map((row) => row.reduce((sum, count) => sum + count, 0)),
  };
}

export const QUANTILES = [0.01, 0.25, 0.5, 0.75, 0.99];

/** The value below which a share of a histogram lies, to the accuracy of its bands. */
export function quantile(picture: Picture, column: number, share: number): number | null {
  const counts = picture.counts[column] ?? [];
  const total = picture.totals[column] ?? 0;
  let below = 0;
  for (const [place, count] of counts.entries()) {
    below += count;
    if (count > 0 && below >= share * total) {
      const { low, high } = picture.bands[place]!;
      return low < 0 && high > 0 ? 0 : Math.sign(low) * Math.sqrt(low * high);
    }
  }
  return null;
}

/** All counts that are not zero as comma-separated values, in the bins as they were kept. */
export function histogramCsv(edges: readonly number[], histograms: readonly Histogram[]): string {
  const lines = histograms.flatMap(({ step, counts }) =>
    counts.flatMap((count, bin) => (count ? [`${step},${edges[bin]},${edges[bin + 1]},${count}`] : [])),
  );
  return ["step,low,high,count", ...lines].join("\n") + "\n";
}

/** The left edges of columns on an axis of `width`, each around its step; one more for the right end. */
export function columnEdges(steps: readonly number[], width: number): number[] {
  const [first, last] = [steps[0] ?? 0, steps.at(-1) ?? 0];
  if (steps.length < 2 || last === first) return [0, width];
  const half = (last - first) / (steps.length - 1) / 2;
  const scale = width / (last - first + 2 * half);
  const middles = steps.slice(1).map((step, place) => (step + (steps[place] as number)) / 2);
  return [0, ...middles.map((at) => (at - first + half) * scale), width];
}

/** Bands whose upper edge is written beside the picture: powers of ten, no closer than `gap` rows. */
export function bandTicks(bands: readonly Band[], gap: number): { band: number; value: number }[] {
  const found: { band: number; value: number }[] = [];
  const zero = bands.findIndex(({ low, high }) => low < 0 && high > 0);
  const clear = (band: number) => found.every((tick) => Math.abs(tick.band - band) >= gap);
  if (zero >= 0) found.push({ band: zero, value: 0 });
  for (let power = 16; power >= -40; power -= 1) {
    for (const sign of [1, -1]) {
      const value = sign * 10 ** power;
      const band = bands.findIndex(({ low, high }) => low <= value && value < high && !(low < 0 && high > 0));
      if (band >= 0 && clear(band)) found.push({ band, value });
    }
  }
  return found.sort((a, b) => a.band - b.band);
}
