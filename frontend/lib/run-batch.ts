"use client";

import { keepPreviousData, useInfiniteQuery, useQuery } from "@tanstack/react-query";

import { request } from "./api";
import type { components } from "./api.gen";
import { formatLoss, formatMetric, formatNumber, formatShort } from "./format";
import { withQuery } from "./utils";

type Schemas = components["schemas"];
export type StepBatch = Schemas["StepBatch"];
export type BatchRow = Schemas["BatchRow"];
export type RowDocument = Schemas["RowDocument"];

const PAGE = 16;
const WHOLE = 64;

interface Part {
  offset?: number;
  limit?: number;
  row?: number;
  texts?: boolean;
}

/** A step's figures and some of its rows; scored, they come with the highest loss first. */
export const readBatch = (id: string, step: number, score: boolean, part: Part = {}, signal?: AbortSignal) =>
  request<StepBatch>(
    withQuery(`/api/v1/runs/${encodeURIComponent(id)}/batch`, {
      step: String(step),
      score: score ? "true" : null,
      row: part.row?.toString(),
      offset: part.offset?.toString(),
      limit: part.limit?.toString(),
      texts: part.texts ? "true" : null,
    }),
    { signal },
  );

/** A step and its rows, page by page; what a step read never changes. */
export const useBatch = (id: string, step: number, score: boolean, enabled = true) =>
  useInfiniteQuery({
    queryKey: ["batch", id, step, score],
    queryFn: ({ pageParam, signal }) =>
      readBatch(id, step, score, { offset: pageParam, limit: PAGE }, signal),
    initialPageParam: 0,
    getNextPageParam: (page: StepBatch) => {
      const next = page.offset + page.rows.length;
      return next < page.batch_size ? next : undefined;
    },
    enabled,
    placeholderData: score ? undefined : keepPreviousData,
    staleTime: 60_000,
    retry: false,
  });

/** One row with all of its text. */
export const useBatchRow = (id: string, step: number, row: number, score: boolean) =>
  useQuery({
    queryKey: ["batch", id, step, score, "row", row],
    queryFn: async ({ signal }) => (await readBatch(id, step, score, { row }, signal)).rows[0] as BatchRow,
    staleTime: 60_000,
    retry: false,
  });

/** Everything of a step as one JSON text: all rows, each with its tokens. */
export async function batchJson(id: string, step: number, score: boolean): Promise<string> {
  const first = await readBatch(id, step, score, { limit: WHOLE, texts: true });
  const rows = [...first.rows];
  while (rows.length < first.batch_size) {
    const more = await readBatch(id, step, score, { offset: rows.length, limit: WHOLE, texts: true });
    rows.push(...more.rows);
  }
  return JSON.stringify({ ...first, rows }, null, 2);
}

/** The figures of a step that one looks at first, with what was usual before it. */
export function figuresOf({ figures, usual }: StepBatch) {
  const shown: [string, string, (value: number | null) => string][] = [
    ["train/loss", "Loss", formatLoss],
    ["train/grad_norm", "Gradient norm", formatMetric],
    ["train/lr", "Learning rate", formatMetric],
    ["perf/tokens_per_second", "Tokens per second", formatShort],
  ];
  return shown
    .filter(([key]) => key in figures)
    .map(([key, name, format]) => {
      const value = figures[key] ?? null;
      const before = usual[key];
      return {
        name,
        value: value === null ? "not finite" : format(value),
        usual: before === undefined ? null : format(before),
      };
    });
}

/** Where a document's part lies in it: "tokens 12 to 60 of 214", "all of it". */
export function partWords({ start, end, offset, length }: RowDocument): string {
  const count = end - start;
  return count === length
    ? `all of it, ${formatNumber(length)} tokens`
    : `tokens ${formatNumber(offset + 1)} to ${formatNumber(offset + count)} of ${formatNumber(length)}`;
}

/** Nats from which on a token's colour is the strongest: a guess one in three thousand. */
export const STRONGEST = 8;
const MOST_COLOUR = 60; // percent: text stays readable on it

/** The ground of a token by its loss. */
export const lossColour = (loss: number | null | undefined): string | undefined =>
  loss === null || loss === undefined
    ? undefined
    : `color-mix(in oklab, var(--chart-2) ${((MOST_COLOUR * Math.min(Math.max(loss, 0), STRONGEST)) / STRONGEST).toFixed(0)}%, transparent)`;
