/** What a picture of a transformer is made of, and the pen that puts it down at one scale. */

import type { Component } from "./architecture-parts";
import type { Shape } from "./architecture-shape";

export interface Box {
  /** Id of the part. */
  part: string;
  component: Component;
  x: number;
  y: number;
  w: number;
  h: number;
  label: string;
  /** Where the label stands. */
  labelAt: "inside" | "above" | "right" | "none";
  /** Drawn shorter than it is; the edge is torn. */
  torn?: boolean;
  /** Stripes: heads in a projection. */
  stripes?: number;
  /** Sheets behind it: experts. */
  sheets?: number;
  /** Not weights of its own: shared, or none at all. */
  ghost?: boolean;
}

/** A vector of weights: a norm, as long as the width where it stands upright. */
export interface Bar {
  part: string;
  component: Component;
  x: number;
  y: number;
  w: number;
  h: number;
}

export interface Wire {
  d: string;
  kind: "wire" | "stream" | "query" | "key" | "value";
  /** The parts that it lights up with. */
  parts: readonly string[];
}

export interface Heads {
  part: string;
  component: Component;
  x: number;
  y: number;
  w: number;
  h: number;
  heads: number;
  groups: number;
}

export interface Glyph {
  kind: "plus" | "rotate" | "times" | "activation" | "mask" | "window" | "wave";
  part: string;
  component: Component;
  x: number;
  y: number;
  /** Across. */
  size: number;
}

export interface Words {
  x: number;
  y: number;
  text: string;
  anchor: "start" | "middle" | "end";
  strong?: boolean;
  part?: string;
}

export interface Drawing {
  width: number;
  height: number;
  /** Pixels of one unit of a dimension. */
  unit: number;
  /** Units of a square of the paper. */
  pitch: number;
  /** Where the paper begins, so that matrices lie on its lines. */
  origin: { x: number; y: number };
  boxes: Box[];
  bars: Bar[];
  wires: Wire[];
  heads: Heads[];
  glyphs: Glyph[];
  words: Words[];
  frame: { x: number; y: number; w: number; h: number };
  strip: { x: number; y: number; w: number; h: number; layers: number };
}

export const LABEL = 16;
export const GAP = 10;
const LEAST_SIDE = 20;

export const round = (value: number): number => Math.round(value * 10) / 10;
export const line = (...points: [number, number][]): string =>
  points.map(([x, y], place) => `${place ? "L" : "M"}${round(x)} ${round(y)}`).join("");
/** A curve that leaves and arrives upright. */
export const fall = (x1: number, y1: number, x2: number, y2: number): string => {
  const bend = (y2 - y1) * 0.55;
  return `M${round(x1)} ${round(y1)}C${round(x1)} ${round(y1 + bend)} ${round(x2)} ${round(y2 - bend)} ${round(x2)} ${round(y2)}`;
};

/** Collects what is drawn; `y` is how far down the page it is. */
export class Pen {
  readonly boxes: Box[] = [];
  readonly bars: Bar[] = [];
  readonly wires: Wire[] = [];
  readonly heads: Heads[] = [];
  readonly glyphs: Glyph[] = [];
  readonly words: Words[] = [];
  y = 0;
  readonly roomy: boolean;
  readonly stream: number;
  /** Left edge of the matrices, and what room they have. */
  readonly left: number;
  readonly room: number;
  readonly unit: number;
  /** The width of the model in pixels. */
  readonly side: number;

  constructor(
    readonly shape: Shape,
    readonly width: number,
  ) {
    this.roomy = width >= 480;
    this.stream = this.roomy ? 34 : 24;
    this.left = this.stream + (this.roomy ? 50 : 38);
    this.room = width - this.left - (this.roomy ? 62 : 40);
    this.unit = this.scale();
    this.side = shape.width * this.unit;
  }

  /** The largest scale at which everything fits, but never so small that nothing can be read. */
  private scale(): number {
    const { shape, room } = this;
    const across = shape.heads * shape.headSize + 2 * shape.kvHeads * shape.headSize;
    const attentions = shape.architecture === "encoder-decoder" ? 2 : 1;
    const rows =
      1 + 2 * attentions + (shape.gated ? 3 : 2) + (shape.tied ? 0 : 1) + (shape.headTransform ? 1 : 0);
    const tallest = Math.min(this.roomy ? 96 : 60, (this.roomy ? 560 : 460) / rows);
    const best = Math.min(
      tallest / shape.width,
      (room - 2 * GAP) / across,
      (room - (shape.experts ? 30 : 0)) / shape.hidden,
    );
    return Math.max(best, LEAST_SIDE / shape.width);
  }

  /** A length in pixels, at least enough to be seen, at most the room. */
  fit(units: number, most: number): { w: number; torn: boolean } {
    const w = Math.max(3, units * this.unit);
    return w > most + 0.5 ? { w: most, torn: true } : { w, torn: false };
  }
}
