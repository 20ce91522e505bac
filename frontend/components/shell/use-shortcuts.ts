"use client";

import { useRouter } from "next/navigation";
import { useEffect, useRef } from "react";

import { PLACES } from "./navigation";

interface Actions {
  openPalette: () => void;
  openShortcuts: () => void;
  toggleRail: () => void;
}

const WAIT_MS = 1000;

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement &&
  (target.isContentEditable || /^(input|textarea|select)$/i.test(target.tagName));

/** Keys that work on every page: Ctrl/Cmd-K, ?, [ and g followed by a page's letter. */
export function useShortcuts(actions: Actions): void {
  const router = useRouter();
  const latest = useRef(actions);
  useEffect(() => {
    latest.current = actions;
  });
  useEffect(() => {
    let wentAt = 0;
    const onKey = (event: KeyboardEvent) => {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
        event.preventDefault();
        latest.current.openPalette();
        return;
      }
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      if (document.querySelector('[role="dialog"]')) return;
      const place = PLACES.find((item) => item.key === event.key);
      if (place && Date.now() - wentAt < WAIT_MS) {
        wentAt = 0;
        router.push(place.href);
      } else if (event.key === "g") wentAt = Date.now();
      else if (event.key === "?") latest.current.openShortcuts();
      else if (event.key === "[") latest.current.toggleRail();
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, [router]);
}
