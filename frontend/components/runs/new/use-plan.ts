"use client";

import { keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";

import { showError } from "@/lib/actions";
import { request } from "@/lib/api";
import type { PlanRequest, TrainingPlan } from "@/lib/run-plan";

const FRESH_MS = 20_000; // for so long the free memory is taken to be as it was

const key = (body: PlanRequest | null) => ["run-plan", body] as const;
const ask = (body: PlanRequest | null, more: object = {}, signal?: AbortSignal) =>
  request<TrainingPlan>("/api/v1/runs/plan", {
    method: "POST",
    body: JSON.stringify({ ...body, ...more }),
    signal,
  });

/** What a training will take; the last answer stays, as placeholder data, until the next is there. */
export const usePlan = (body: PlanRequest | null) =>
  useQuery({
    queryKey: key(body),
    queryFn: ({ signal }) => ask(body, {}, signal),
    enabled: body !== null,
    placeholderData: keepPreviousData,
    staleTime: FRESH_MS,
  });

/** Times the parts of a training on this machine; its plan is a measured one from then on. */
export function useMeasure() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (body: PlanRequest) => ask(body, { measure: true }),
    onSuccess: (plan, body) => client.setQueryData(key(body), plan),
    onError: (error) => showError("It could not be measured.", error),
  });
}

/** The plan of a training at this moment, for who is about to start it. */
export function useAskPlan() {
  const client = useQueryClient();
  return (body: PlanRequest) =>
    client.fetchQuery({ queryKey: key(body), queryFn: ({ signal }) => ask(body, {}, signal), staleTime: 0 });
}
