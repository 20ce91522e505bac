import type { Component } from "@/lib/architecture-parts";

/** The colour of each kind of part, the same in the picture and in every bar. */
export const COLOURS: Record<Component, string> = {
  embedding: "--chart-1",
  positions: "--chart-5",
  attention: "--chart-2",
  "cross-attention": "--accent",
  "feed-forward": "--chart-3",
  router: "--accent",
  norms: "--chart-4",
  head: "--muted",
};

/** The picture's name of a component that the program counted; null where the picture has none. */
export const knownComponent = (component: string): Component | null =>
  (Object.keys(COLOURS) as Component[]).find((name) => component.startsWith(name)) ?? null;

const OTHERS = ["--accent", "--muted", "--border-strong"];

/** The colour of a component as the program names it; what is not drawn gets one of the quiet colours. */
export function colourOf(component: string, place = 0): string {
  const known = knownComponent(component);
  return known ? COLOURS[known] : OTHERS[place % OTHERS.length]!;
}

/** A component's name as a title. */
export const componentTitle = (component: string): string =>
  component.charAt(0).toUpperCase() + component.slice(1).replaceAll("_", " ");
