"use client";

import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";

import { request } from "./api";
import type {
  Coverage,
  CostEstimate,
  Comparison,
  Encoded,
  PriceTable,
  Replay,
  TokenizerInfo,
  Trace,
} from "./tokenizer-types";

const BASE = "/api/v1/tokenization";
const post = <T>(path: string, body: unknown, signal?: AbortSignal) =>
  request<T>(`${BASE}/${path}`, { method: "POST", body: JSON.stringify(body), signal });
const at = encodeURIComponent;

export const TOKENIZERS = ["tokenizers"] as const;
export const PRICES = ["prices"] as const;
export const DATASETS = ["artifacts", "dataset"] as const;

/** A value once it has rested for a while; the first one at once. */
export function useRested<T>(value: T, milliseconds: number): T {
  const [rested, setRested] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setRested(value), milliseconds);
    return () => clearTimeout(timer);
  }, [value, milliseconds]);
  return rested;
}

export const useTokenizers = () =>
  useQuery({
    queryKey: TOKENIZERS,
    queryFn: async ({ signal }) =>
      (await request<{ tokenizers: TokenizerInfo[] }>(`${BASE}/tokenizers`, { signal })).tokenizers,
  });

/** The text under the glass. The last answer stays until the next is there; an older request is given up. */
export const useInspection = (tokenizer: string | null, text: string, special: boolean) =>
  useQuery({
    queryKey: ["inspect", tokenizer, text, special],
    queryFn: async ({ signal }) => ({
      text,
      tokenizer,
      ...(await post<Encoded>(
        "encode",
        { tokenizer, text, allowed_special: special ? "all" : [], inspect: true },
        signal,
      )),
    }),
    enabled: tokenizer !== null && text !== "",
    placeholderData: keepPreviousData,
    staleTime: Infinity,
    gcTime: 30_000,
  });

export const useComparison = (tokenizers: readonly string[], text: string) =>
  useQuery({
    queryKey: ["compare", tokenizers, text],
    queryFn: async ({ signal }) => ({
      text,
      ...(await post<Comparison>("compare", { tokenizers, text }, signal)),
    }),
    enabled: tokenizers.length > 1 && text !== "",
    placeholderData: keepPreviousData,
    staleTime: Infinity,
    gcTime: 30_000,
  });

export interface Measured {
  text?: string;
  dataset?: string;
}

export const useCoverage = (tokenizer: string | null, source: Measured) =>
  useQuery({
    queryKey: ["coverage", tokenizer, source],
    queryFn: ({ signal }) => post<Coverage>("analyze", { tokenizer, ...source }, signal),
    enabled: tokenizer !== null,
    staleTime: Infinity,
  });

export const usePrices = () =>
  useQuery({
    queryKey: PRICES,
    queryFn: ({ signal }) => request<PriceTable>(`${BASE}/prices`, { signal }),
    staleTime: 60_000,
  });

export const savePrices = (table: PriceTable) =>
  request<PriceTable>(`${BASE}/prices`, { method: "PUT", body: JSON.stringify(table) });
export const resetPrices = () => request<PriceTable>(`${BASE}/prices`, { method: "DELETE" });

/** The cost by the prices of a table; the body is JSON, so that equal plans are one question. */
export const useCost = (body: string | null, table: PriceTable | undefined) =>
  useQuery({
    queryKey: ["cost", body, table],
    queryFn: ({ signal }) => post<CostEstimate>("cost", JSON.parse(body ?? "null"), signal),
    enabled: body !== null,
    placeholderData: keepPreviousData,
    staleTime: Infinity,
    gcTime: 30_000,
  });

export const TRACE_PAGE = 5000;

export const useTrace = (tokenizer: string, start: number) =>
  useQuery({
    queryKey: ["trace", tokenizer, start],
    queryFn: ({ signal }) =>
      request<Trace>(`${BASE}/${at(tokenizer)}/trace?start=${start}&count=${TRACE_PAGE}`, { signal }),
    placeholderData: keepPreviousData,
    staleTime: Infinity,
  });

export const useReplay = (tokenizer: string, text: string, step: number | null) =>
  useQuery({
    queryKey: ["replay", tokenizer, text, step],
    queryFn: async ({ signal }) => ({
      text,
      ...(await post<Replay>(`${at(tokenizer)}/replay`, { text, step }, signal)),
    }),
    enabled: step !== null && text !== "",
    placeholderData: keepPreviousData,
    staleTime: Infinity,
    gcTime: 60_000,
  });

export interface DatasetInfo {
  id: string;
  name: string;
  created_at: number;
  size_bytes: number;
  summary: Record<string, unknown>;
}

export const useDatasets = () =>
  useQuery({
    queryKey: DATASETS,
    queryFn: async ({ signal }) =>
      (await request<{ artifacts: DatasetInfo[] }>("/api/v1/artifacts?kind=dataset", { signal })).artifacts,
  });
