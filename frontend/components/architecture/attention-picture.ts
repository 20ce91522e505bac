import { makeCanvas, readRamp } from "@/lib/attention-ramp";
import { formatWeight } from "@/lib/attention-view";

import { inks } from "./attention-paint";

const HEAD = 40;
const FOOT = 34;
const EDGE = 16;
const SCALE = 160;

/** A drawn map on the page's ground, with a title above and its scale below; null without a canvas. */
export function mapPicture(map: HTMLCanvasElement, title: string, most: number): HTMLCanvasElement | null {
  const ratio = window.devicePixelRatio || 1;
  const [wide, high] = [map.width / ratio + 2 * EDGE, map.height / ratio + HEAD + FOOT + EDGE];
  const picture = makeCanvas(Math.round(wide * ratio), Math.round(high * ratio));
  const pen = picture?.getContext("2d");
  const ramp = readRamp("heat");
  if (!picture || !pen || !ramp) return null;
  const colours = inks();
  const sans = getComputedStyle(document.body).fontFamily;
  pen.scale(ratio, ratio);
  pen.fillStyle = colours.surface;
  pen.fillRect(0, 0, wide, high);
  pen.fillStyle = colours.text;
  pen.textBaseline = "middle";
  pen.font = `600 14px ${sans}`;
  pen.fillText(title, EDGE, HEAD / 2 + 4);
  pen.drawImage(map, EDGE, HEAD, map.width / ratio, map.height / ratio);
  const top = HEAD + map.height / ratio + 12;
  const bar = makeCanvas(256, 1);
  const barPen = bar?.getContext("2d");
  if (!bar || !barPen) return null;
  const image = barPen.createImageData(256, 1);
  new Uint32Array(image.data.buffer).set(ramp);
  barPen.putImageData(image, 0, 0);
  pen.drawImage(bar, EDGE + 14, top, SCALE, 8);
  pen.fillStyle = colours.muted;
  pen.font = `12px ${sans}`;
  pen.fillText("0", EDGE, top + 4);
  pen.fillText(`${formatWeight(most)} (square-root scale)`, EDGE + 22 + SCALE, top + 4);
  return picture;
}
