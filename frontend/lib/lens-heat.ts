/** Colours for heat: mixtures of the theme's own tokens, so that they follow light and dark by themselves. */

const part = (share: number) => `${(100 * Math.min(1, Math.max(0, share))).toFixed(1)}%`;

/** From the ground (0) by way of blue to green (1); null has no colour of its own. */
export function heat(share: number | null): string {
  if (share === null || !Number.isFinite(share)) return "transparent";
  return share <= 0.5
    ? `color-mix(in oklab, var(--heat-1) ${part(2 * share)}, var(--heat-0))`
    : `color-mix(in oklab, var(--heat-2) ${part(2 * share - 1)}, var(--heat-1))`;
}

/** Orange above zero, blue below, the ground at zero; one step of the eye for each step of the value. */
export function diverging(value: number, most: number): string {
  if (!Number.isFinite(value) || !(most > 0)) return "var(--heat-0)";
  return `color-mix(in oklab, var(${value < 0 ? "--minus" : "--plus"}) ${part(Math.abs(value) / most)}, var(--heat-0))`;
}

/** What of a row of boxes is in view: from the first to just past the last, by their left edges. */
export function inView(edges: readonly number[], from: number, to: number): [number, number] {
  const boxes = edges.length - 1;
  const before = (place: number) => {
    let low = 0;
    let high = boxes;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (edges[middle + 1]! <= place) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  return [before(from), Math.min(boxes, before(to) + 1)];
}

/** The left edges of boxes of these widths, and where the last one ends. */
export function edgesOf(widths: readonly number[]): number[] {
  const edges = [0];
  for (const width of widths) edges.push(edges.at(-1)! + width);
  return edges;
}
