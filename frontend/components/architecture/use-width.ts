"use client";

import { type RefCallback, useCallback, useState } from "react";

/** How wide an element is, as the window changes; `fallback` until that is known. */
export function useWidth<T extends Element>(fallback: number): [RefCallback<T>, number] {
  const [width, setWidth] = useState(fallback);
  const ref = useCallback((node: T | null) => {
    if (!node) return undefined;
    const measure = () => setWidth((before) => Math.floor(node.clientWidth) || before);
    const observer = new ResizeObserver(measure);
    observer.observe(node);
    measure();
    return () => observer.disconnect();
  }, []);
  return [ref, width];
}
