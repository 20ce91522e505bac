"use client";

import { useRouter, useSearchParams } from "next/navigation";
import { useCallback, useEffect, useRef, useState } from "react";

import { type Draft, draftHref, readDraft } from "@/lib/run-draft";

const REST_MS = 300;

/** The draft under one's hands; the address follows it, and it follows an address that somebody else wrote. */
export function useDraft() {
  const router = useRouter();
  const query = useSearchParams();
  const here = draftHref(readDraft(query));
  const [draft, setDraft] = useState<Draft>(() => readDraft(query));
  const mine = draftHref(draft);
  const written = useRef(here);
  const latest = useRef(query);
  useEffect(() => {
    latest.current = query;
  });
  useEffect(() => {
    if (here === written.current) return;
    written.current = here;
    setDraft(readDraft(latest.current));
  }, [here]);
  useEffect(() => {
    if (mine === written.current) return undefined;
    const timer = setTimeout(() => {
      written.current = mine;
      router.replace(mine, { scroll: false });
    }, REST_MS);
    return () => clearTimeout(timer);
  }, [mine, router]);
  const change = useCallback((changes: Partial<Draft>) => setDraft((now) => ({ ...now, ...changes })), []);
  return { draft, change };
}
