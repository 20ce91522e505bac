/** How attention maps are painted on a canvas. */

import type { LabToken } from "@/lib/architecture-types";
import { makeCanvas, placeOf, type Ramp, readRamp } from "@/lib/attention-ramp";
import { type Layout, type MapValues, shortName, sizeOf, type View } from "@/lib/attention-view";

const FONT_PX = 11;
const LINED = 9; // from this size on cells are parted by lines

export interface Picture {
  tokens: readonly LabToken[];
  values: MapValues;
  view: View;
  most: number;
  causal: boolean;
  withoutFirst: boolean;
  layout: Layout;
  width: number;
  height: number;
}

function prepared(target: HTMLCanvasElement, width: number, height: number): CanvasRenderingContext2D | null {
  const ratio = window.devicePixelRatio || 1;
  const [wide, high] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (target.width !== wide || target.height !== high) {
    target.width = wide;
    target.height = high;
  }
  const pen = target.getContext("2d");
  pen?.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen?.clearRect(0, 0, width, height);
  return pen;
}

/** Colours and type of the page, for a canvas. */
export function inks() {
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  return {
    text: colour("--foreground"),
    muted: colour("--muted"),
    surface: colour("--surface"),
    surface2: colour("--surface-2"),
    lookMost: colour("--look-most"),
    accent: colour("--accent"),
    masked: colour("--masked"),
    border: colour("--border"),
    font: `${FONT_PX}px ${style.getPropertyValue("--font-geist-mono").trim() || "monospace"}`,
  };
}
type Inks = ReturnType<typeof inks>;

/** The cells of a view as pixels, one for each. */
function stampOf(
  { values, view, most, causal, withoutFirst }: Picture,
  ramp: Ramp,
): HTMLCanvasElement | null {
  const [high, wide] = [sizeOf(view.rows), sizeOf(view.columns)];
  const stamp = makeCanvas(wide, high);
  const pen = stamp?.getContext("2d");
  if (!stamp || !pen) return null;
  const image = pen.createImageData(wide, high);
  const pixels = new Uint32Array(image.data.buffer);
  for (let y = 0; y < high; y += 1) {
    for (let x = 0; x < wide; x += 1) {
      const [row, column] = [view.rows.from + y, view.columns.from + x];
      if ((causal && column > row) || (withoutFirst && column === 0)) continue;
      const value = values.at(row, column);
      if (value !== null) pixels[y * wide + x] = ramp[placeOf(most > 0 ? value / most : 0)]!;
    }
  }
  pen.putImageData(image, 0, 0);
  return stamp;
}

export function paintMap(target: HTMLCanvasElement, picture: Picture): void {
  const { tokens, view, layout, width, height, causal, withoutFirst } = picture;
  const { left, top, cell, every } = layout;
  const pen = prepared(target, width, height);
  const ramp = readRamp("heat");
  const stamp = ramp && stampOf(picture, ramp);
  if (!pen || !stamp) return;
  const colours = inks();
  const [high, wide] = [sizeOf(view.rows) * cell, sizeOf(view.columns) * cell];
  pen.fillStyle = colours.masked;
  pen.fillRect(left, top, wide, high);
  pen.imageSmoothingEnabled = false;
  pen.drawImage(stamp, left, top, wide, high);
  pen.strokeStyle = colours.surface;
  if (cell >= LINED) {
    pen.lineWidth = 1;
    pen.beginPath();
    for (let at = 0; at <= sizeOf(view.columns); at += 1) {
      pen.moveTo(left + at * cell, top);
      pen.lineTo(left + at * cell, top + high);
    }
    for (let at = 0; at <= sizeOf(view.rows); at += 1) {
      pen.moveTo(left, top + at * cell);
      pen.lineTo(left + wide, top + at * cell);
    }
    pen.stroke();
  }
  if (causal) paintEdge(pen, view, layout, colours);
  if (withoutFirst && view.columns.from === 0) hatch(pen, left, top, cell, high, colours);
  pen.fillStyle = colours.muted;
  pen.font = colours.font;
  pen.textBaseline = "middle";
  for (let row = view.rows.from; row < view.rows.to; row += every) {
    rowName(pen, layout, view, row, tokens[row]?.text ?? "");
  }
  for (let column = view.columns.from; column < view.columns.to; column += every) {
    columnName(pen, layout, view, column, tokens[column]?.text ?? "");
  }
}

/** The stair below which a token can look. */
function paintEdge(
  pen: CanvasRenderingContext2D,
  view: View,
  { left, top, cell }: Layout,
  colours: Inks,
): void {
  pen.save();
  pen.beginPath();
  pen.rect(left, top, sizeOf(view.columns) * cell, sizeOf(view.rows) * cell);
  pen.clip();
  pen.strokeStyle = colours.border;
  pen.beginPath();
  for (let row = view.rows.from; row < view.rows.to; row += 1) {
    const y = top + (row - view.rows.from) * cell;
    const x = left + (row + 1 - view.columns.from) * cell;
    pen.moveTo(x - cell, y);
    pen.lineTo(x, y);
    pen.lineTo(x, y + cell);
  }
  pen.stroke();
  pen.restore();
}

/** A column that is left out. */
function hatch(
  pen: CanvasRenderingContext2D,
  left: number,
  top: number,
  cell: number,
  high: number,
  colours: Inks,
): void {
  pen.save();
  pen.beginPath();
  pen.rect(left, top, cell, high);
  pen.clip();
  pen.strokeStyle = colours.muted;
  pen.globalAlpha = 0.4;
  pen.beginPath();
  for (let y = -cell; y < high; y += 6) {
    pen.moveTo(left, top + y + cell);
    pen.lineTo(left + cell, top + y);
  }
  pen.stroke();
  pen.restore();
}

const fitting = (gutter: number): number => Math.floor((gutter - 10) / (FONT_PX * 0.6));

function rowName(pen: CanvasRenderingContext2D, layout: Layout, view: View, row: number, text: string): void {
  pen.textAlign = "right";
  const y = layout.top + (row - view.rows.from + 0.5) * layout.cell;
  pen.fillText(shortName(text, fitting(layout.left)), layout.left - 6, y);
}

function columnName(
  pen: CanvasRenderingContext2D,
  layout: Layout,
  view: View,
  column: number,
  text: string,
): void {
  pen.save();
  pen.textAlign = "left";
  pen.translate(layout.left + (column - view.columns.from + 0.5) * layout.cell, layout.top - 6);
  pen.rotate(-Math.PI / 2);
  pen.fillText(shortName(text, fitting(layout.top)), 0, 0);
  pen.restore();
}
