/** Shows in a text which tokens are looked at, as fast as the pointer moves. */

import { strongest } from "./attention-view";

const ARCS = 8;
const FAINT = 0.04;
const RADIUS = 4;
const LEVELS = 20; // shades that the eye can tell apart

/** Where a token stands in its box, in CSS pixels. */
export interface Place {
  left: number;
  top: number;
  width: number;
  height: number;
}

/** What the picture is painted with. */
export interface ShaderInks {
  ground: string;
  most: string;
  arc: string;
}

/**
 * Paints the grounds of the tokens and the arcs between them on a canvas behind the text. The text itself is left
 * alone, and places are read once, so that no frame has to style or lay it out anew.
 */
export class TextShader {
  private places: Place[] | null = null;
  private at = -1;
  private to = -1;
  private values: readonly (number | null)[] | null = null;

  constructor(
    private readonly box: HTMLElement,
    private readonly spans: readonly HTMLElement[],
    private readonly canvas: HTMLCanvasElement,
    private readonly inks: ShaderInks,
  ) {
    for (const span of spans) {
      span.removeAttribute("data-at");
      span.removeAttribute("data-to");
    }
  }

  /**
   * Shows the token that is looked from, the one it is seen with (null: none), and the values of all tokens, which
   * are the same array for as long as they are the same.
   */
  show(at: number, to: number | null, values: readonly (number | null)[]): void {
    if (this.values !== values || this.at !== at) this.paint(at, values);
    this.values = values;
    this.at = this.mark("data-at", this.at, at);
    this.to = this.mark("data-to", this.to, to ?? -1);
  }

  private paint(at: number, values: readonly (number | null)[]): void {
    const places = this.measured();
    const pen = this.canvas.getContext("2d");
    if (!pen) return;
    const ratio = window.devicePixelRatio || 1;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, this.canvas.width, this.canvas.height);
    const most = values.reduce<number>((largest, value) => Math.max(largest, value ?? 0), 0) || 1;
    const from = places[at];
    pen.strokeStyle = this.inks.arc;
    pen.lineCap = "round";
    for (const { index, value } of strongest(values, ARCS, FAINT * most)) {
      const to = places[index];
      if (from && to && index !== at) arc(pen, from, to, value / most);
    }
    pen.globalAlpha = 1;
    pen.fillStyle = this.inks.ground;
    fill(pen, places);
    pen.fillStyle = this.inks.most;
    for (const [level, some] of byLevel(places, values, most).entries()) {
      if (level === 0 || some.length === 0) continue;
      pen.globalAlpha = level / LEVELS;
      fill(pen, some);
    }
    pen.globalAlpha = 1;
  }

  private mark(name: "data-at" | "data-to", before: number, now: number): number {
    if (before !== now) {
      this.spans[before]?.removeAttribute(name);
      this.spans[now]?.setAttribute(name, "");
    }
    return now;
  }

  private measured(): Place[] {
    if (this.places) return this.places;
    this.places = this.spans.map((span) => ({
      left: span.offsetLeft,
      top: span.offsetTop,
      width: span.offsetWidth,
      height: span.offsetHeight,
    }));
    const last = this.places.at(-1);
    const [width, height] = [this.box.clientWidth, (last ? last.top + last.height : 0) + RADIUS];
    const ratio = window.devicePixelRatio || 1;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${height}px`;
    return this.places;
  }
}

/** The places of each shade: few strokes of the pen, however many tokens there are. */
function byLevel(places: readonly Place[], values: readonly (number | null)[], most: number): Place[][] {
  const levels: Place[][] = Array.from({ length: LEVELS + 1 }, () => []);
  for (const [index, place] of places.entries()) {
    levels[Math.round(LEVELS * Math.sqrt((values[index] ?? 0) / most))]!.push(place);
  }
  return levels;
}

function fill(pen: CanvasRenderingContext2D, places: readonly Place[]): void {
  pen.beginPath();
  for (const { left, top, width, height } of places) pen.roundRect(left, top, width, height, RADIUS);
  pen.fill();
}

/** A curve over the line from one token to another; between lines it goes from edge to edge. */
function arc(pen: CanvasRenderingContext2D, from: Place, to: Place, share: number): void {
  const [x1, x2] = [from.left + from.width / 2, to.left + to.width / 2];
  pen.lineWidth = 1 + 2.5 * share;
  pen.globalAlpha = 0.25 + 0.65 * share;
  pen.beginPath();
  if (Math.abs(from.top - to.top) < from.height) {
    const lift = from.top - Math.min(26, 9 + Math.abs(x1 - x2) * 0.06);
    pen.moveTo(x1, from.top);
    pen.bezierCurveTo(x1, lift, x2, lift, x2, to.top);
  } else {
    const up = from.top > to.top;
    const [start, end] = up ? [from.top, to.top + to.height] : [from.top + from.height, to.top];
    const bend = (end - start) / 2;
    pen.moveTo(x1, start);
    pen.bezierCurveTo(x1, start + bend, x2, end - bend, x2, end);
  }
  pen.stroke();
}
