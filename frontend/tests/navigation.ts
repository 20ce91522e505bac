import { useSyncExternalStore } from "react";
import { vi } from "vitest";

/** A router that keeps its address in memory; it takes the place of next/navigation. */
let href = "/";
const watchers = new Set<() => void>();

export function visit(next: string): void {
  href = next;
  for (const watcher of [...watchers]) watcher();
}

export const address = (): string => href;
export const router = { push: vi.fn(visit), replace: vi.fn(visit), prefetch: vi.fn() };

const watch = (watcher: () => void) => {
  watchers.add(watcher);
  return () => void watchers.delete(watcher);
};
const useAddress = () => new URL(useSyncExternalStore(watch, address, address), "http://localhost");

export const useRouter = () => router;
export const usePathname = () => useAddress().pathname;
export const useSearchParams = () => useAddress().searchParams;
