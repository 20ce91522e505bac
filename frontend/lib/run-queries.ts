"use client";

import { keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";

import { showError } from "./actions";
import { request } from "./api";
import { applyRun, keys } from "./queries";
import type {
  Artifact,
  PreviewRequest,
  RunChanges,
  RunComparison,
  RunPreview,
  SmallCurve,
  StageDetail,
} from "./run-types";
import { ALIVE, type Run } from "./types";

const BASE = "/api/v1";
const at = encodeURIComponent;

/** Everything of one kind in the workspace, newest first. */
export const useArtifacts = (kind: "dataset" | "tokenizer" | "tokens") =>
  useQuery({
    queryKey: ["artifacts", kind],
    queryFn: async ({ signal }) =>
      (await request<{ artifacts: Artifact[] }>(`${BASE}/artifacts?kind=${kind}`, { signal })).artifacts,
  });

/** A stage with the JSON schema of its settings. */
export const useStage = (name: string) =>
  useQuery({
    queryKey: ["stage", name],
    queryFn: ({ signal }) => request<StageDetail>(`${BASE}/stages/${at(name)}`, { signal }),
    staleTime: Infinity,
  });

/** What a run would be; the last answer stays until the next is there. */
export const usePreview = (body: PreviewRequest | null) =>
  useQuery({
    queryKey: ["run-preview", body],
    queryFn: async ({ signal }) => ({
      ...(await request<RunPreview>(`${BASE}/runs/preview`, {
        method: "POST",
        body: JSON.stringify(body),
        signal,
      })),
      asked: body as PreviewRequest,
    }),
    enabled: body !== null,
    placeholderData: keepPreviousData,
    staleTime: 60_000,
  });

const CURVE_REFRESH_MS = 4_000;

/** The loss of several runs in little; read again while they are at work. */
export const useSmallCurves = (ids: readonly string[], alive: boolean) =>
  useQuery({
    queryKey: ["run-curves", ids, alive],
    queryFn: async ({ signal }) =>
      (
        await request<{ curves: Record<string, SmallCurve> }>(
          `${BASE}/runs/curves?ids=${ids.map(at).join(",")}`,
          { signal },
        )
      ).curves,
    enabled: ids.length > 0,
    placeholderData: keepPreviousData,
    staleTime: alive ? 0 : Infinity,
    refetchInterval: alive ? CURVE_REFRESH_MS : false,
  });

/** Runs side by side. */
export const useComparison = (ids: readonly string[]) =>
  useQuery({
    queryKey: ["run-comparison", ids],
    queryFn: ({ signal }) =>
      request<RunComparison>(`${BASE}/runs/compare?ids=${ids.map(at).join(",")}`, { signal }),
    enabled: ids.length >= 2,
    refetchInterval: ({ state }) => (state.data?.runs.some(isAnyAlive) ? CURVE_REFRESH_MS : false),
  });

const isAnyAlive = ({ state }: { state?: Run["state"] }): boolean =>
  state !== undefined && ALIVE.includes(state);

/** Changes a run's name, tags or notes. */
export function useChangeRun() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ run, changes }: { run: Run; changes: RunChanges }) =>
      request<Run>(`${BASE}/runs/${at(run.id)}`, { method: "PATCH", body: JSON.stringify(changes) }),
    onSuccess: (run) => applyRun(client, run),
    onError: (error, { run }) => {
      showError("The change could not be kept.", error);
      void client.invalidateQueries({ queryKey: keys.run(run.id) });
    },
  });
}
