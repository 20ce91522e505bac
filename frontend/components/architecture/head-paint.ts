/** How the small pictures of heads are painted. */

import type { Grid } from "@/lib/architecture-queries";
import { makeCanvas, placeOf, readRamp } from "@/lib/attention-ramp";

interface Paint {
  cell: number;
  /** Where the picture of a head stands. */
  place: (layer: number, head: number) => { x: number; y: number };
  width: number;
  height: number;
  withoutFirst: boolean;
  causal: boolean;
}

/** Each picture by its own largest value: what matters in a thumbnail is its shape. */
export function paintThumbnails(
  target: HTMLCanvasElement,
  { shape, values }: Grid<Uint8Array>,
  { cell, place, width, height, withoutFirst, causal }: Paint,
): void {
  const [layers = 0, heads = 0, rows = 0, columns = 0] = shape;
  const ratio = window.devicePixelRatio || 1;
  target.width = Math.round(width * ratio);
  target.height = Math.round(height * ratio);
  const pen = target.getContext("2d");
  const ramp = readRamp("heat");
  const stamp = makeCanvas(columns, rows);
  const stampPen = stamp?.getContext("2d");
  if (!pen || !ramp || !stamp || !stampPen) return;
  const image = stampPen.createImageData(columns, rows);
  const pixels = new Uint32Array(image.data.buffer);
  pen.scale(ratio, ratio);
  pen.imageSmoothingEnabled = columns > cell * ratio;
  pen.imageSmoothingQuality = "high";
  const first = withoutFirst ? 1 : 0;
  for (let layer = 0; layer < layers; layer += 1) {
    for (let head = 0; head < heads; head += 1) {
      const from = (layer * heads + head) * rows * columns;
      let most = 1;
      for (let row = 0; row < rows; row += 1) {
        for (let column = first; column < columns; column += 1) {
          most = Math.max(most, values[from + row * columns + column]!);
        }
      }
      for (let row = 0; row < rows; row += 1) {
        for (let column = 0; column < columns; column += 1) {
          const blank = (causal && column > row) || column < first;
          pixels[row * columns + column] = blank
            ? 0
            : ramp[placeOf(values[from + row * columns + column]! / most)]!;
        }
      }
      stampPen.putImageData(image, 0, 0);
      const { x, y } = place(layer, head);
      pen.drawImage(stamp, x, y, cell, cell);
    }
  }
}
