/** Colours for things in an order, such as layers: from the theme's ramp, without its faintest end. */

import "@/components/architecture/heat.css";

import { readRamp } from "./attention-ramp";

const FAINTEST = 0.3;

/** A colour of the ramp's table, as style sheets write it. */
export const cssOf = (pixel: number): string =>
  `#${[0, 8, 16].map((shift) => ((pixel >>> shift) & 255).toString(16).padStart(2, "0")).join("")}`;

/** So many colours from the first to the last. */
export function rampColours(count: number): string[] {
  const ramp = readRamp("heat");
  return Array.from({ length: count }, (_, place) => {
    const share = FAINTEST + (count > 1 ? (place / (count - 1)) * (1 - FAINTEST) : 0.4);
    return ramp ? cssOf(ramp[Math.round(255 * share)] as number) : "#888888";
  });
}
