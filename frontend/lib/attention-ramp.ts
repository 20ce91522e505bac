/** The colours of heat pictures, read from the theme, as tables to look up. */

const STOPS = { heat: ["--ramp-", 8], signed: ["--signed-", 7] } as const;

export type RampName = keyof typeof STOPS;

/** 256 colours, each a pixel as a canvas stores it (bytes red, green, blue, alpha). */
export type Ramp = Uint32Array;

const known = new Map<string, Ramp>();

/** A ramp of the page's theme; null where no canvas can be drawn on. */
export function readRamp(name: RampName): Ramp | null {
  const key = `${name} ${document.documentElement.className}`;
  const ramp = known.get(key) ?? rampOf(name);
  if (ramp) known.set(key, ramp);
  return ramp;
}

/** Reads a ramp from the page's CSS variables. */
function rampOf(name: RampName): Ramp | null {
  const pen = makeCanvas(256, 1)?.getContext("2d");
  if (!pen) return null;
  const [prefix, count] = STOPS[name];
  const style = getComputedStyle(document.documentElement);
  const gradient = pen.createLinearGradient(0.5, 0, 255.5, 0);
  for (let stop = 0; stop < count; stop += 1) {
    gradient.addColorStop(stop / (count - 1), style.getPropertyValue(`${prefix}${stop}`).trim());
  }
  pen.fillStyle = gradient;
  pen.fillRect(0, 0, 256, 1);
  return new Uint32Array(pen.getImageData(0, 0, 256, 1).data.buffer.slice(0));
}

export function makeCanvas(width: number, height: number): HTMLCanvasElement | null {
  if (typeof document === "undefined") return null;
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  return canvas;
}

/**
 * The place (0 to 255) of a share from 0 to 1. The square root of the share is drawn: half of an attention row's
 * mass often lies in weights below a tenth, which a straight scale would leave on the ground colour.
 */
export const placeOf = (share: number): number =>
  share <= 0 || Number.isNaN(share) ? 0 : Math.min(255, Math.round(255 * Math.sqrt(share)));

/** The place of a signed share from -1 to 1, zero in the middle. */
export const signedPlaceOf = (share: number): number =>
  Number.isNaN(share) ? 128 : Math.min(255, Math.max(0, Math.round(127.5 + 127.5 * share)));
