"use client";

import { keepPreviousData, useQuery } from "@tanstack/react-query";

import { request } from "./api";
import { useRested } from "./tokenizer-queries";
import type { Encoded } from "./tokenizer-types";

const REST_MS = 150;

/** How many tokens a text has for a tokenizer; null while that is not known. */
export function useTokenCount(tokenizer: string | null, text: string): number | null {
  const rested = useRested(text, REST_MS);
  const answer = useQuery({
    queryKey: ["token-count", tokenizer, rested],
    queryFn: async ({ signal }) =>
      (
        await request<Encoded>("/api/v1/tokenization/encode", {
          method: "POST",
          body: JSON.stringify({ tokenizer, text: rested, allowed_special: "all", inspect: false }),
          signal,
        })
      ).count,
    enabled: tokenizer !== null && rested !== "",
    placeholderData: keepPreviousData,
    staleTime: Infinity,
    gcTime: 30_000,
  });
  if (rested === "") return tokenizer === null ? null : 0;
  return answer.data ?? null;
}
