"use client";

import { type QueryClient, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useSyncExternalStore } from "react";

import { ApiError, api } from "./api";
import { MetricStore } from "./metrics";
import { live } from "./stream";
import { isAlive, type Run, type RunDetail, type RunEvent } from "./types";

export const keys = {
  health: ["health"] as const,
  recipes: ["recipes"] as const,
  recipe: (name: string) => ["recipes", name] as const,
  runs: ["runs"] as const,
  run: (id: string) => ["run", id] as const,
  log: (id: string) => ["log", id] as const,
  models: ["models"] as const,
  model: (id: string) => ["model", id] as const,
  conversations: ["conversations"] as const,
  conversation: (id: string) => ["conversation", id] as const,
};

export const useHealth = () =>
  useQuery({
    queryKey: keys.health,
    queryFn: ({ signal }) => api.health(signal),
    retry: false,
    refetchInterval: ({ state }) => (state.status === "error" || live.status() === "lost" ? 2_000 : 20_000),
  });

export const useRecipes = () =>
  useQuery({
    queryKey: keys.recipes,
    queryFn: ({ signal }) => api.recipes(signal),
    staleTime: 600_000,
  });

export const useRecipe = (name: string) =>
  useQuery({
    queryKey: keys.recipe(name),
    queryFn: ({ signal }) => api.recipe(name, signal),
    staleTime: 600_000,
  });

export const useRuns = () => useQuery({ queryKey: keys.runs, queryFn: ({ signal }) => api.runs(signal) });

export const useRun = (id: string | null) =>
  useQuery({
    queryKey: keys.run(id ?? ""),
    queryFn: ({ signal }) => api.run(id ?? "", signal),
    enabled: id !== null,
  });

export const useModels = () =>
  useQuery({ queryKey: keys.models, queryFn: ({ signal }) => api.models(signal) });

export const useModel = (id: string) =>
  useQuery({ queryKey: keys.model(id), queryFn: ({ signal }) => api.model(id, signal) });

export const useConversations = () =>
  useQuery({ queryKey: keys.conversations, queryFn: ({ signal }) => api.conversations(signal) });

/** A failed request is tried again only where that can help: not when the program said no. */
export function shouldRetry(count: number, error: unknown): boolean {
  if (error instanceof ApiError && error.status >= 400 && error.status < 500) return false;
  return count < 2;
}

/** Puts the news of a run wherever that run is shown. */
export function applyRun(client: QueryClient, run: Run): void {
  const before = client.getQueryData<Run[]>(keys.runs)?.find((item) => item.id === run.id);
  if (run.parent === null) {
    client.setQueryData<Run[]>(
      keys.runs,
      (runs) => runs && (before ? runs.map((item) => (item.id === run.id ? run : item)) : [run, ...runs]),
    );
  }
  client.setQueryData<RunDetail>(keys.run(run.id), (detail) => detail && { ...detail, ...run });
  const made = run.output !== null && !isAlive(run);
  if (run.parent !== null) {
    client.setQueryData<RunDetail>(keys.run(run.parent), (detail) => detail && withChild(detail, run));
  }
  if (made && !client.getQueryData<{ id: string }[]>(keys.models)?.some((model) => model.id === run.output)) {
    void client.invalidateQueries({ queryKey: keys.models });
    void client.invalidateQueries({ queryKey: ["tokenizers"] });
    void client.invalidateQueries({ queryKey: ["artifacts"] });
  }
}

function withChild(detail: RunDetail, child: Run): RunDetail {
  const known = detail.children.some((item) => item.id === child.id);
  const children = known
    ? detail.children.map((item) => (item.id === child.id ? child : item))
    : [...detail.children, child];
  return { ...detail, children };
}

/** Keeps every list and page of runs current, for as long as the app is open. */
export function useLiveRuns(): void {
  const client = useQueryClient();
  useEffect(() => {
    const stops = [
      live.on("run", ({ run }) => applyRun(client, run)),
      live.onOpen(() => void client.invalidateQueries({ queryKey: keys.runs })),
      live.watchStatus(() => void client.invalidateQueries({ queryKey: keys.health })), // the first to notice
      live.subscribe(["runs"]),
    ];
    return () => stops.forEach((stop) => stop());
  }, [client]);
}

/** Whether the program has stopped answering; the page goes on by itself when it is back. */
export function useConnectionLost(): boolean {
  const { error } = useHealth();
  return error instanceof ApiError && (error.status === 0 || error.status >= 502); // by itself, or by a proxy
}

/** Follows one run (a recipe with its steps) for as long as the caller is shown; null follows nothing. */
export function useFollow(id: string | null): void {
  const client = useQueryClient();
  useEffect(() => {
    if (id === null) return undefined;
    const stops = [
      live.onOpen(() => void client.invalidateQueries({ queryKey: keys.run(id) })),
      live.subscribe([`run:${id}`]),
    ];
    return () => stops.forEach((stop) => stop());
  }, [client, id]);
}

export const eventsKey = (id: string) => ["events", id] as const;
const EVENT_TYPES = "state,log,sample,checkpoint,alert,artifact,eval,step";

/** All events of a run, oldest first, growing while the run is followed. */
export function useRunEvents(id: string) {
  const client = useQueryClient();
  useEffect(() => {
    const stops = [
      live.on("event", ({ run_id, event }) => {
        if (run_id !== id) return;
        client.setQueryData<RunEvent[]>(eventsKey(id), (events) => events && mergeEvents(events, [event]));
      }),
      live.onOpen(() => void client.invalidateQueries({ queryKey: eventsKey(id) })),
    ];
    return () => stops.forEach((stop) => stop());
  }, [client, id]);
  return useQuery({
    queryKey: eventsKey(id),
    queryFn: async ({ signal }) => {
      const read = await api.events(id, EVENT_TYPES, signal);
      return mergeEvents(read, client.getQueryData<RunEvent[]>(eventsKey(id)) ?? []);
    },
  });
}

/** Two lists of events as one, each event once, in order. */
export function mergeEvents(known: readonly RunEvent[], more: readonly RunEvent[]): RunEvent[] {
  const all = new Map(known.map((event) => [event.id, event]));
  for (const event of more) all.set(event.id, event);
  return [...all.values()].sort((a, b) => a.id - b.id);
}

const stores = new Map<string, MetricStore>();
const KEPT_STORES = 24;
const POINTS = 800;

/** The metrics that a run's page draws first; its other parts read theirs when they are opened. */
export const FIRST_METRICS: readonly string[] = [
  "train/loss",
  "val/loss",
  "val/bits_per_byte",
  "train/lr",
  "train/grad_norm",
  "perf/tokens_per_second",
  "perf/peak_memory_bytes",
];

const storeKey = (id: string, names: readonly string[]): string => `${id} ${names.join()}`;

function storeOf(id: string, names: readonly string[]): MetricStore {
  const key = storeKey(id, names);
  let store = stores.get(key);
  if (!store) {
    store = new MetricStore(new Set(names));
    stores.set(key, store);
    const [oldest] = stores.keys();
    if (stores.size > KEPT_STORES && oldest !== undefined) stores.delete(oldest);
  }
  return store;
}

/** Some curves of a run: read once, then fed by the stream. The version changes whenever they do. */
export function useRunMetrics(id: string, names: readonly string[] = FIRST_METRICS) {
  const client = useQueryClient();
  const store = storeOf(id, names);
  const version = useSyncExternalStore(store.watch, store.version, () => 0);
  const key = storeKey(id, names);
  useEffect(() => {
    const stops = [
      live.on("metrics", ({ run_id, rows }) => {
        if (run_id === id) store.add(rows);
      }),
      live.onOpen(() => void client.invalidateQueries({ queryKey: ["metrics", id, key] })),
    ];
    return () => stops.forEach((stop) => stop());
  }, [client, id, key, store]);
  const query = useQuery({
    queryKey: ["metrics", id, key],
    queryFn: async ({ signal }) => {
      store.load(await api.metrics(id, POINTS, signal, { names: names.join() }));
      return true;
    },
    enabled: names.length > 0,
  });
  return { store, version, query };
}
