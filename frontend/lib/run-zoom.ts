"use client";

import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";

import { api } from "./api";
import { FIRST_METRICS } from "./queries";
import { type Axis, MetricStore, stepsBetween } from "./metrics";

const POINTS = 800;
/** The curve by which a stretch of tokens or of time is turned into steps. */
const GUIDE = "train/loss";

/**
 * The stretch of a run that is looked at, the same for all its charts. The stretch is read anew, finer than
 * the whole; until that is there, and while the run still writes into it, the whole curve is shown.
 */
export function useZoom(id: string, store: MetricStore, version: number, alive: boolean) {
  const [axis, setAxis] = useState<Axis>("step");
  const [zoom, setZoom] = useState<readonly [number, number] | null>(null);
  const guide = store.curve(GUIDE);
  const steps = zoom && stepsBetween(guide, zoom, axis, store.origin());
  const grows = alive && steps !== null && steps[1] >= (guide.steps.at(-1) ?? 0);
  const part = steps && !grows ? { start: steps[0], end: steps[1] } : null;
  const finer = useQuery({
    queryKey: ["metrics", id, "part", part],
    queryFn: async ({ signal }) => {
      const found = new MetricStore();
      found.load(await api.metrics(id, POINTS, signal, { names: FIRST_METRICS.join(), ...part }));
      return found;
    },
    enabled: part !== null,
    placeholderData: keepPreviousData,
    staleTime: Infinity,
  });
  const shown = part && finer.data && !finer.isPlaceholderData ? finer.data : store;
  // Charts draw again when this changes: with every value, and with every stretch.
  const drawn = useMemo(
    () => version * 1_000 + (shown === store ? 0 : 1 + ((part?.start ?? 0) + (part?.end ?? 0)) / 1e7),
    [version, shown, store, part?.start, part?.end],
  );
  return {
    axis,
    setAxis: (next: Axis) => {
      setAxis(next);
      setZoom(null);
    },
    zoom,
    setZoom: (stretch: readonly [number, number] | null) => setZoom(stretch),
    shown,
    drawn,
  };
}
