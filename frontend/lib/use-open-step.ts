"use client";

import { usePathname, useRouter, useSearchParams } from "next/navigation";
import { useCallback } from "react";

type Changes = Record<string, string | null>;

const whole = (text: string | null, least: number): number | null => {
  const value = Number(text);
  return text !== null && text !== "" && Number.isInteger(value) && value >= least ? value : null;
};

/** The step of a run that is looked into, kept in the page's address, so that it can be shared. */
export function useOpenStep() {
  const router = useRouter();
  const path = usePathname();
  const query = useSearchParams();
  const change = useCallback(
    (changes: Changes, how: "push" | "replace") => {
      const next = new URLSearchParams(query);
      for (const [name, value] of Object.entries(changes)) {
        if (value === null) next.delete(name);
        else next.set(name, value);
      }
      router[how](`${path}?${next.toString()}`, { scroll: false });
    },
    [router, path, query],
  );
  const step = whole(query.get("batch"), 1);
  return {
    step,
    row: whole(query.get("row"), 0),
    score: query.get("score") === "1",
    /** Opens a step, or closes it with null; the way back leads out of it again. */
    open: (next: number | null) =>
      change(
        next === null ? { batch: null, row: null, score: null } : { batch: String(next), row: null },
        step === null ? "push" : "replace",
      ),
    setRow: (row: number | null) => change({ row: row === null ? null : String(row) }, "replace"),
    setScore: (score: boolean) => change({ score: score ? "1" : null }, "replace"),
  };
}
