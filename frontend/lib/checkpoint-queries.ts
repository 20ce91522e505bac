"use client";

import { keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { toast } from "sonner";

import { showError } from "./actions";
import type { components } from "./api.gen";
import { request } from "./api";
import { formatNumber } from "./format";
import type { Lineage } from "./lineage-layout";
import { applyRun, useRunEvents } from "./queries";
import type { Run } from "./types";

type Schemas = components["schemas"];
export type Checkpoint = Required<Schemas["CheckpointInfo"]>;
export type ForkRequest = Schemas["ForkRequest"];

const at = encodeURIComponent;
const of = (id: string) => `/api/v1/runs/${at(id)}`;
const keyOf = (id: string) => ["checkpoints", id] as const;
interface Listed {
  checkpoints: Checkpoint[];
}

/** The checkpoints of a run, read again whenever it has written one. */
export function useCheckpoints(run: Run) {
  const events = useRunEvents(run.id);
  const written = events.data?.findLast(({ type }) => type === "checkpoint")?.id ?? null;
  return useQuery({
    queryKey: [...keyOf(run.id), written, run.state],
    queryFn: async ({ signal }) =>
      (await request<Listed>(`${of(run.id)}/checkpoints`, { signal })).checkpoints,
    enabled: !events.isPending,
    placeholderData: keepPreviousData,
  });
}

/** Pins a checkpoint, or takes the pin away; the table shows it at once. */
export function usePin(run: Run) {
  const client = useQueryClient();
  const put = (change: (rows: Checkpoint[]) => Checkpoint[]) =>
    client.setQueriesData<Checkpoint[]>({ queryKey: keyOf(run.id) }, (rows) => rows && change(rows));
  return useMutation({
    mutationFn: ({ step, pinned }: { step: number; pinned: boolean }) =>
      request<Listed>(`${of(run.id)}/checkpoints/${step}/pin`, { method: pinned ? "PUT" : "DELETE" }),
    onMutate: ({ step, pinned }) =>
      put((rows) => rows.map((row) => (row.step === step ? { ...row, pinned } : row))),
    onSuccess: ({ checkpoints }) => put(() => checkpoints),
    onError: (error, { step, pinned }) => {
      showError(`Step ${formatNumber(step)} could not be ${pinned ? "pinned" : "unpinned"}.`, error);
      void client.invalidateQueries({ queryKey: keyOf(run.id) });
    },
  });
}

/** Starts a fork; the caller shows what is wrong. */
export function useFork(run: Run, started: (fork: Run) => void) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (body: ForkRequest) =>
      request<Run>(`${of(run.id)}/fork`, { method: "POST", body: JSON.stringify(body) }),
    onSuccess: (fork) => {
      applyRun(client, fork);
      void client.invalidateQueries({ queryKey: ["lineage"] });
      toast.success("The fork has begun.", { description: fork.name });
      started(fork);
    },
  });
}

/** What a run was made from and what was made from it. */
export const useLineage = (run: Run) =>
  useQuery({
    queryKey: ["lineage", run.id, run.state, run.output],
    queryFn: ({ signal }) => request<Lineage>(`${of(run.id)}/lineage`, { signal }),
    placeholderData: keepPreviousData,
  });
