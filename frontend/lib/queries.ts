"use client";

import { type QueryClient, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useSyncExternalStore } from "react";

import { ApiError, api } from "./api";
import { live, type StreamStatus } from "./stream";
import { isAlive, type Run, type RunDetail } from "./types";

export const keys = {
  health: ["health"] as const,
  recipes: ["recipes"] as const,
  recipe: (name: string) => ["recipes", name] as const,
  runs: ["runs"] as const,
  run: (id: string) => ["run", id] as const,
  log: (id: string) => ["log", id] as const,
  models: ["models"] as const,
  conversations: ["conversations"] as const,
  conversation: (id: string) => ["conversation", id] as const,
};

export const useHealth = () =>
  useQuery({
    queryKey: keys.health,
    queryFn: ({ signal }) => api.health(signal),
    refetchInterval: 20_000,
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
    client.setQueryData<Run[]>(keys.runs, (runs) =>
      runs && (before ? runs.map((item) => (item.id === run.id ? run : item)) : [run, ...runs]),
    );
  }
  client.setQueryData<RunDetail>(keys.run(run.id), (detail) => detail && { ...detail, ...run });
  const made = run.output !== null && !isAlive(run);
  if (run.parent !== null) {
    client.setQueryData<RunDetail>(keys.run(run.parent), (detail) => detail && withChild(detail, run));
  }
  if (made && !client.getQueryData<{ id: string }[]>(keys.models)?.some((model) => model.id === run.output)) {
    void client.invalidateQueries({ queryKey: keys.models });
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
      live.subscribe(["runs"]),
    ];
    return () => stops.forEach((stop) => stop());
  }, [client]);
}

export const useStreamStatus = (): StreamStatus =>
  useSyncExternalStore(live.watchStatus, live.status, () => "idle");
