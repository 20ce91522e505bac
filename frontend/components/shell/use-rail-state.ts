"use client";

import { useSyncExternalStore } from "react";

const KEY = "llmp-rail";
const watchers = new Set<() => void>();

function watch(watcher: () => void): () => void {
  watchers.add(watcher);
  return () => void watchers.delete(watcher);
}

function read(): boolean {
  try {
    return localStorage.getItem(KEY) === "narrow";
  } catch {
    return false; // storage may be forbidden: the rail is then wide
  }
}

/** Whether the rail is narrow, kept over visits. */
export function useRailState(): [boolean, (narrow: boolean) => void] {
  const narrow = useSyncExternalStore(watch, read, () => false);
  const set = (next: boolean) => {
    try {
      localStorage.setItem(KEY, next ? "narrow" : "wide");
    } catch {
      return;
    }
    for (const watcher of [...watchers]) watcher();
  };
  return [narrow, set];
}
