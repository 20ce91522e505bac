"use client";

import { useSyncExternalStore } from "react";

const read = (): string => document.documentElement.className;

function watch(changed: () => void): () => void {
  const observer = new MutationObserver(changed);
  observer.observe(document.documentElement, { attributes: true, attributeFilter: ["class"] });
  return () => observer.disconnect();
}

/**
 * The class of the page, which names the theme. It changes when the colours have changed, so that a canvas that is
 * painted anew with it reads the new ones.
 */
export const useThemeClass = (): string => useSyncExternalStore(watch, read, () => "");
