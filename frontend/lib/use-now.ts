"use client";

import { useSyncExternalStore } from "react";

const watchers = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | null = null;
let now = 0;

function watch(watcher: () => void): () => void {
  watchers.add(watcher);
  timer ??= setInterval(() => {
    now = Date.now();
    for (const each of [...watchers]) each();
  }, 1000);
  return () => {
    watchers.delete(watcher);
    if (!watchers.size && timer) {
      clearInterval(timer);
      timer = null;
    }
  };
}

const read = (): number => {
  if (now === 0 || Math.abs(Date.now() - now) > 1500) now = Date.now();
  return now;
};

/** The time in milliseconds, moving once a second; 0 while the page is still the stored one. */
export function useNow(): number {
  return useSyncExternalStore(watch, read, () => 0);
}
