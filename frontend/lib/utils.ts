import { clsx, type ClassValue } from "clsx";
import { twMerge } from "tailwind-merge";

/** Joins class names; a later Tailwind class wins over an earlier one of its kind. */
export function cn(...values: ClassValue[]): string {
  return twMerge(clsx(values));
}

/** The page's own address with some query parameters changed; null takes one away. */
export function withQuery(path: string, values: Record<string, string | null | undefined>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) if (value) query.set(name, value);
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

export const runHref = (id: string, view?: { step?: string; tab?: string }) =>
  withQuery("/runs/", { id, step: view?.step, tab: view?.tab });
export const modelHref = (id: string) => withQuery("/models/", { id });
export const chatHref = (model?: string | null, conversation?: string | null) =>
  withQuery("/chat/", { model, conversation });
