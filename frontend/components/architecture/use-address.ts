"use client";

import { useCallback, useEffect, useMemo, useRef, useState } from "react";

type Changes = Record<string, string | null>;

const PATIENCE_MS = 1500;

/**
 * The address as the page already shows it. A router takes a moment to change it; until then changes are kept here,
 * so that keys pressed quickly one after the other all count, and none takes back what the one before it changed.
 */
export function useAddress(
  query: URLSearchParams,
  onQuery: (changes: Changes) => void,
): [URLSearchParams, (changes: Changes) => void] {
  const [pending, setPending] = useState<Changes>({});
  const latest = useRef<Changes>({});
  const merged = useMemo(() => {
    const next = new URLSearchParams(query);
    for (const [key, value] of Object.entries(pending)) {
      if (value === null) next.delete(key);
      else next.set(key, value);
    }
    return next;
  }, [query, pending]);

  useEffect(() => {
    const entries = Object.entries(pending);
    if (!entries.length) return undefined;
    const arrived = entries.every(([key, value]) => query.get(key) === value);
    const timer = setTimeout(
      () => {
        latest.current = {};
        setPending({});
      },
      arrived ? 0 : PATIENCE_MS,
    );
    return () => clearTimeout(timer);
  }, [query, pending]);

  const change = useCallback(
    (changes: Changes) => {
      latest.current = { ...latest.current, ...changes };
      setPending(latest.current);
      onQuery(latest.current);
    },
    [onQuery],
  );
  return [merged, change];
}

/** A whole number of the address within [0, limit), null where it has none. */
export function placeIn(query: URLSearchParams, key: string, limit: number): number | null {
  const text = query.get(key);
  const value = Number(text);
  return text !== null && text !== "" && Number.isInteger(value) && value >= 0 && value < limit
    ? value
    : null;
}
