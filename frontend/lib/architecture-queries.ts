"use client";

import { keepPreviousData, useQuery, type UseQueryResult } from "@tanstack/react-query";

import type { Schema } from "@/components/config-form/schema";

import { ApiError, readError, request } from "./api";
import type {
  Analysis,
  AnalyzeRequest,
  Attribution,
  AttributionRequest,
  AttentionReport,
  CompareRequest,
  Comparison,
  Devices,
  ExplainRequest,
  Explanation,
  LabModel,
  Lens,
  LensRequest,
  MapKind,
  MapRequest,
  Patched,
  PatchRequest,
  PresetInfo,
  Recommendations,
  RecommendRequest,
  Sweep,
  SweepRequest,
  Trace,
  TraceRequest,
  TraceTensor,
  TraceTensorRequest,
} from "./architecture-types";

const BASE = "/api/v1/transformer";
const get = <T>(path: string, signal?: AbortSignal) => request<T>(`${BASE}/${path}`, { signal });
const post = <T>(path: string, body: unknown, signal?: AbortSignal) =>
  request<T>(`${BASE}/${path}`, { method: "POST", body: JSON.stringify(body), signal });

export { useRested } from "./tokenizer-queries";

/** An answer in bytes: its values, its shape by the header X-Shape, and the value of the largest byte. */
export interface Grid<T extends Uint8Array | Float32Array = Uint8Array | Float32Array> {
  shape: number[];
  values: T;
  /** What 255 stands for in a grid of bytes; 1 where the answer does not say. */
  scale: number;
}

let halves: Float32Array | null = null;

/** All 65,536 numbers of 16 bits, so that reading a map is a look into a table. */
function halfTable(): Float32Array {
  if (halves) return halves;
  const table = new Float32Array(65_536);
  for (let bits = 0; bits < 65_536; bits += 1) {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >> 10) & 0x1f;
    const fraction = bits & 0x3ff;
    if (exponent === 0) table[bits] = sign * 2 ** -14 * (fraction / 1024);
    else if (exponent === 31) table[bits] = fraction ? NaN : sign * Infinity;
    else table[bits] = sign * 2 ** (exponent - 15) * (1 + fraction / 1024);
  }
  halves = table;
  return table;
}

/** Half-precision numbers, little-endian, as ordinary ones. */
export function readHalves(bytes: ArrayBuffer): Float32Array {
  const table = halfTable();
  const view = new DataView(bytes);
  const values = new Float32Array(bytes.byteLength >> 1);
  for (let place = 0; place < values.length; place += 1) {
    values[place] = table[view.getUint16(2 * place, true)]!;
  }
  return values;
}

/** One request that is answered in bytes; fails in words as `request` does. */
async function postBytes(path: string, body: unknown, signal?: AbortSignal) {
  let response: Response;
  let bytes: ArrayBuffer;
  try {
    response = await fetch(`${BASE}/${path}`, {
      method: "POST",
      body: JSON.stringify(body),
      headers: { "content-type": "application/json" },
      signal,
    });
    if (!response.ok) throw await readError(response);
    bytes = await response.arrayBuffer();
  } catch (error) {
    if (error instanceof ApiError || (error instanceof DOMException && error.name === "AbortError"))
      throw error;
    throw new ApiError("The program does not answer.", 0, "Is it still running? Start it with `make run`.");
  }
  const shape = (response.headers.get("x-shape") ?? "").split(",").map(Number);
  const scale = Number(response.headers.get("x-scale") ?? 1);
  return { bytes, shape, scale };
}

const wrongSize = () =>
  new ApiError("The program sent an answer that cannot be read.", 0, "Its size does not fit its shape.");
const count = (shape: readonly number[]) => shape.reduce((product, size) => product * size, 1);

/** A grid of bytes (thumbnails). */
export async function fetchBytes(
  path: string,
  body: unknown,
  signal?: AbortSignal,
): Promise<Grid<Uint8Array>> {
  const { bytes, shape, scale } = await postBytes(path, body, signal);
  if (bytes.byteLength !== count(shape)) throw wrongSize();
  return { shape, scale, values: new Uint8Array(bytes) };
}

/** A grid of half-precision numbers (maps). */
export async function fetchHalves(
  path: string,
  body: unknown,
  signal?: AbortSignal,
): Promise<Grid<Float32Array>> {
  const { bytes, shape, scale } = await postBytes(path, body, signal);
  if (bytes.byteLength !== 2 * count(shape)) throw wrongSize();
  return { shape, scale, values: readHalves(bytes) };
}

// What there is to choose from

export const LAB_MODELS = ["lab-models"] as const;

export const useLabModels = () =>
  useQuery({
    queryKey: LAB_MODELS,
    queryFn: async ({ signal }) => (await get<{ models: LabModel[] }>("models", signal)).models,
  });

export const usePresets = () =>
  useQuery({
    queryKey: ["presets"],
    queryFn: async ({ signal }) => (await get<{ presets: PresetInfo[] }>("presets", signal)).presets,
    staleTime: Infinity,
  });

export const useSchema = () =>
  useQuery({
    queryKey: ["model-schema"],
    queryFn: ({ signal }) => get<Schema>("schema", signal),
    staleTime: Infinity,
  });

export const useDevices = () =>
  useQuery({
    queryKey: ["devices"],
    queryFn: ({ signal }) => get<Devices>("devices", signal),
    staleTime: Infinity,
  });

/**
 * An answer to a question that changes as one types: the last answer stays until the next is there, an older
 * request is given up, and null asks nothing. Each answer carries the question that it belongs to.
 */
function useAsked<Q, A>(
  path: string,
  body: Q | null,
  milliseconds = 60_000,
): UseQueryResult<A & { asked: Q }> {
  return useQuery({
    queryKey: ["transformer", path, body],
    queryFn: async ({ signal }) => ({ ...(await post<A>(path, body, signal)), asked: body as Q }),
    enabled: body !== null,
    placeholderData: keepPreviousData,
    staleTime: Infinity,
    gcTime: milliseconds,
  }) as UseQueryResult<A & { asked: Q }>;
}

export const useAnalysis = (body: AnalyzeRequest | null) =>
  useAsked<AnalyzeRequest, Analysis>("analyze", body);
export const useArchitectures = (body: CompareRequest | null) =>
  useAsked<CompareRequest, Comparison>("compare", body);
export const useRecommendations = (body: RecommendRequest | null) =>
  useAsked<RecommendRequest, Recommendations>("recommend", body);

// A model at work

interface Shown {
  model: string;
  text: string;
}

export const useAttention = (body: Shown | null) => useAsked<Shown, AttentionReport>("attention", body);

export const useThumbnails = (body: (Shown & { kind: MapKind; size: number }) | null) =>
  useQuery({
    queryKey: ["transformer", "attention/thumbnails", body],
    queryFn: ({ signal }) => fetchBytes("attention/thumbnails", body, signal),
    enabled: body !== null,
    placeholderData: keepPreviousData,
    staleTime: Infinity,
    gcTime: 60_000,
  });

export const useAttentionMap = (body: MapRequest | null) =>
  useQuery({
    queryKey: ["transformer", "attention/map", body],
    queryFn: ({ signal }) => fetchHalves("attention/map", body, signal),
    enabled: body !== null,
    placeholderData: keepPreviousData,
    staleTime: Infinity,
    gcTime: 60_000,
  });

export const useComputation = (body: TraceRequest | null) => useAsked<TraceRequest, Trace>("trace", body);
export const useTensor = (body: TraceTensorRequest | null) =>
  useAsked<TraceTensorRequest, TraceTensor>("trace/tensor", body);
export const useExplanation = (body: ExplainRequest | null) =>
  useAsked<ExplainRequest, Explanation>("trace/explain", body);

export const useLens = (body: LensRequest | null) => useAsked<LensRequest, Lens>("lens", body);
export const useAttribution = (body: AttributionRequest | null) =>
  useAsked<AttributionRequest, Attribution>("attribution", body);
export const usePatch = (body: PatchRequest | null) => useAsked<PatchRequest, Patched>("patch", body);
export const useSweep = (body: SweepRequest | null) => useAsked<SweepRequest, Sweep>("patch/sweep", body);
