/** A grid of coloured cells as a PNG, drawn anew on a canvas: all of it, not only what is in view. */

import { save } from "./download";

export interface PictureCell {
  text: string;
  colour: string;
  mark?: boolean;
}

export interface Picture {
  title: string;
  note: string;
  rows: readonly string[];
  columns: readonly string[];
  cell: (row: number, column: number) => PictureCell | null;
  width: number;
  height: number;
}

const EDGE = 24;
const HEAD = 64;
const LARGEST = 16_000; // what browsers still draw

/** Colours of the theme as the canvas understands them: CSS works a mixture out on an element first. */
function resolver(): { colour: (css: string) => string; end: () => void } {
  const probe = document.createElement("span");
  probe.hidden = true;
  document.body.append(probe);
  const known = new Map<string, string>();
  return {
    colour: (css) => {
      let found = known.get(css);
      if (found === undefined) {
        probe.style.color = css;
        found = getComputedStyle(probe).color;
        known.set(css, found);
      }
      return found;
    },
    end: () => probe.remove(),
  };
}

const cut = (pen: CanvasRenderingContext2D, text: string, room: number): string => {
  if (pen.measureText(text).width <= room) return text;
  let kept = Array.from(text);
  while (kept.length > 1 && pen.measureText(`${kept.join("")}…`).width > room) kept = kept.slice(0, -1);
  return `${kept.join("")}…`;
};

/** The size of a picture, and the factor by which it is enlarged so that it is sharp and still drawn. */
export function pictureSize(picture: Pick<Picture, "rows" | "columns" | "width" | "height">, label: number) {
  const width = 2 * EDGE + label + picture.columns.length * picture.width;
  const height = 2 * EDGE + HEAD + (picture.rows.length + 1) * picture.height;
  const factor = Math.min(2, LARGEST / width, LARGEST / height);
  return { width, height, factor };
}

/** Draws a grid and hands it to the browser as a file. */
export async function savePicture(picture: Picture, name: string): Promise<void> {
  const { colour, end } = resolver();
  try {
    const canvas = document.createElement("canvas");
    const pen = canvas.getContext("2d");
    if (!pen) throw new Error("This browser cannot draw pictures.");
    const sans = getComputedStyle(document.body).fontFamily;
    const mono =
      getComputedStyle(document.documentElement).getPropertyValue("--font-geist-mono") || "monospace";
    pen.font = `13px ${sans}`;
    const label = 16 + Math.max(...picture.rows.map((row) => pen.measureText(row).width));
    const { width, height, factor } = pictureSize(picture, label);
    canvas.width = Math.round(width * factor);
    canvas.height = Math.round(height * factor);
    pen.scale(factor, factor);
    pen.fillStyle = colour("var(--surface)");
    pen.fillRect(0, 0, width, height);
    const write = (text: string, font: string, css: string, x: number, y: number) => {
      pen.font = font;
      pen.fillStyle = colour(css);
      pen.fillText(text, x, y);
    };
    pen.textBaseline = "middle";
    write(
      cut(pen, picture.title, width - 2 * EDGE),
      `600 16px ${sans}`,
      "var(--foreground)",
      EDGE,
      EDGE + 10,
    );
    pen.font = `13px ${sans}`;
    write(cut(pen, picture.note, width - 2 * EDGE), `13px ${sans}`, "var(--muted)", EDGE, EDGE + 34);
    const top = EDGE + HEAD;
    const left = EDGE + label;
    pen.textAlign = "center";
    pen.font = `12px ${mono}`;
    picture.columns.forEach((text, column) => {
      const x = left + (column + 0.5) * picture.width;
      write(cut(pen, text, picture.width - 4), `12px ${mono}`, "var(--muted)", x, top + picture.height / 2);
    });
    picture.rows.forEach((text, row) => {
      const y = top + (row + 1) * picture.height;
      pen.textAlign = "left";
      write(text, `13px ${sans}`, "var(--foreground)", EDGE, y + picture.height / 2);
      pen.textAlign = "center";
      pen.font = `12px ${mono}`;
      picture.columns.forEach((_, column) => {
        const cell = picture.cell(row, column);
        if (!cell) return;
        const x = left + column * picture.width;
        pen.fillStyle = colour(cell.colour);
        pen.fillRect(x + 1, y + 1, picture.width - 2, picture.height - 2);
        pen.fillStyle = colour("var(--foreground)");
        const shown = cut(pen, cell.text, picture.width - 8);
        pen.fillText(shown, x + picture.width / 2, y + picture.height / 2);
        if (cell.mark) {
          pen.beginPath();
          pen.arc(x + picture.width - 6, y + 6, 3, 0, 2 * Math.PI);
          pen.fill();
        }
      });
    });
    const blob = await new Promise<Blob | null>((made) => canvas.toBlob(made, "image/png"));
    if (!blob) throw new Error("The picture is too large for this browser.");
    save(blob, name);
  } finally {
    end();
  }
}
