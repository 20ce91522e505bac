/**
 * Where everything stands in the picture of a transformer. Matrices are drawn to scale: one unit of a dimension is
 * the same length everywhere, so that areas are weights. A vector comes in at a matrix's left edge, which is as
 * long as the vector, and leaves at its lower edge; the next matrix takes it at its upper edge and gives it back
 * at its left one, to the stream that runs down the left side.
 */

import { type Box, type Drawing, fall, GAP, LABEL, line, Pen, round } from "./architecture-pen";
import { type Shape, windowedLayers } from "./architecture-shape";
import { formatShort } from "./format";

export type { Bar, Box, Drawing, Glyph, Heads, Wire } from "./architecture-pen";

const MOST_LINES = 64;
const ENDS = { query: "q", key: "k", value: "v" } as const;

/** The picture of a shape in a window of so many pixels. */
export function draw(shape: Shape, width: number): Drawing {
  const pen = new Pen(shape, width);
  pen.y = 22;
  pen.words.push({ x: pen.stream, y: 14, text: "ids", anchor: "middle" });
  const top = embed(pen);
  pen.wires.push({ d: line([pen.stream, 18], [pen.stream, top]), kind: "wire", parts: ["embedding"] });
  const encoder = shape.architecture === "encoder-decoder" ? encoderSheet(pen) : null;

  const frameTop = pen.y;
  pen.y += pen.roomy ? 14 : 12;
  const tap = attention(pen, "");
  if (encoder !== null) attention(pen, "cross.", encoder);
  feedForward(pen, shape.parallel ? tap : null);
  pen.y += 14;
  const frame = { x: 3, y: frameTop, w: width - 12, h: pen.y - frameTop };
  const strip = {
    x: width - (pen.roomy ? 42 : 32),
    y: frameTop + 34,
    w: pen.roomy ? 16 : 12,
    h: frame.h - 48,
    layers: shape.architecture === "encoder" ? shape.encoderLayers : shape.layers,
  };
  pen.words.push({
    x: strip.x + strip.w / 2,
    y: frameTop + 24,
    text: `×${strip.layers}`,
    anchor: "middle",
    strong: true,
    part: "mask",
  });
  pen.y += 20;
  const end = finish(pen);
  pen.wires.unshift({ d: line([pen.stream, top], [pen.stream, end]), kind: "stream", parts: [] });

  const pitch = 2 ** Math.ceil(Math.log2((pen.roomy ? 7 : 6) / pen.unit));
  return {
    width,
    height: Math.ceil(pen.y),
    unit: pen.unit,
    pitch,
    origin: { x: pen.left, y: pen.boxes[0]?.y ?? 0 },
    boxes: pen.boxes,
    bars: pen.bars,
    wires: pen.wires,
    heads: pen.heads,
    glyphs: pen.glyphs,
    words: pen.words,
    frame,
    strip,
  };
}

/** A norm across the stream. */
function normOnStream(pen: Pen, part: string): void {
  pen.bars.push({ part, component: "norms", x: pen.stream - 13, y: pen.y, w: 26, h: 6 });
  pen.y += 6;
}

/** A norm on the way into or out of a part, as tall as the vector is long. */
const normBar = (pen: Pen, part: string, y: number): void =>
  void pen.bars.push({ part, component: "norms", x: pen.left - 14, y, w: 5, h: pen.side });

function embed(pen: Pen): number {
  const { shape, side, room, left } = pen;
  pen.y += LABEL;
  const positions = shape.positions === "learned" || shape.positions === "sinusoidal";
  const place = positions
    ? shape.positions === "learned"
      ? pen.fit(shape.context, 0.3 * room)
      : { w: Math.min(0.22 * room, 2 * side), torn: false }
    : { w: 0, torn: false };
  const segments = shape.segments ? Math.max(6, shape.segments * pen.unit) : 0;
  const taken = (place.w ? place.w + 22 : 0) + (segments ? segments + 22 : 0);
  const tokens = pen.fit(shape.vocab, room - taken);
  const middle = pen.y + side / 2;
  const add = (box: Omit<Box, "y" | "h">) => {
    pen.boxes.push({ ...box, y: pen.y, h: side });
    if (box.x > left)
      pen.glyphs.push({
        kind: "plus",
        part: box.part,
        component: box.component,
        x: box.x - 11,
        y: middle,
        size: 10,
      });
    return box.x + box.w + 22;
  };
  let x = add({
    part: "embedding",
    component: "embedding",
    x: left,
    w: tokens.w,
    torn: tokens.torn,
    label: "Token embedding",
    labelAt: "above",
  });
  if (segments)
    x = add({ part: "segments", component: "embedding", x, w: segments, label: "", labelAt: "none" });
  if (place.w)
    add({
      part: "positions",
      component: "positions",
      x,
      w: place.w,
      torn: place.torn,
      ghost: shape.positions === "sinusoidal",
      label: pen.roomy || place.w > 60 ? "Positions" : "",
      labelAt: "above",
    });
  if (shape.positions === "sinusoidal")
    pen.glyphs.push({
      kind: "wave",
      part: "positions",
      component: "positions",
      x: x + place.w / 2,
      y: middle,
      size: place.w,
    });
  pen.wires.push({ d: line([left, middle], [pen.stream, middle]), kind: "wire", parts: ["embedding"] });
  pen.y += side + 14;
  if (shape.embeddingNorm) {
    normOnStream(pen, "embedding_norm");
    pen.y += 10;
  }
  return middle;
}

/** The encoder of an encoder-decoder as one closed sheet; returns the height at which its output leaves. */
function encoderSheet(pen: Pen): number {
  const h = 34;
  pen.boxes.push({
    part: "encoder",
    component: "attention",
    x: pen.left,
    y: pen.y,
    w: pen.room,
    h,
    label: `Encoder ×${pen.shape.encoderLayers}: the same parts, no mask`,
    labelAt: "inside",
    sheets: Math.min(3, pen.shape.encoderLayers - 1),
    ghost: true,
  });
  const leaves = pen.y + h / 2;
  pen.y += h + 16;
  return leaves;
}

/** Attention: three projections side by side, the heads that share, the output. Returns where it taps the stream. */
function attention(pen: Pen, prefix: "" | "cross.", encoder: number | null = null): number {
  const { shape, side, left, room, stream } = pen;
  const queries = shape.heads * shape.headSize;
  const kv = shape.kvHeads * shape.headSize;
  const wanted = (queries + 2 * kv) * pen.unit + 2 * GAP;
  const squeeze = Math.min(1, (room - 2 * GAP) / (wanted - 2 * GAP));
  const torn = squeeze < 0.999;
  const widthOf = (units: number) => Math.max(3, units * pen.unit * squeeze);
  const [qw, kw] = [widthOf(queries), widthOf(kv)];
  const [qx, kx, vx] = [left, left + qw + GAP, left + qw + kw + 2 * GAP];
  pen.y += LABEL;
  const top = pen.y;
  const middle = top + side / 2;
  const cross = encoder !== null;
  const component = cross ? "cross-attention" : "attention";
  const placement = shape.placement;
  const before = placement !== "post";
  const name = (id: string) => `${prefix}${id}`;
  const norm = cross ? "cross.norm" : "attention_norm";

  pen.wires.push({ d: line([stream, middle], [cross ? qx : vx, middle]), kind: "wire", parts: [name("q")] });
  if (encoder !== null) {
    const side_ = left + room + 6;
    pen.wires.push({
      d: line([left + room, encoder], [side_, encoder], [side_, middle], [kx, middle]),
      kind: "wire",
      parts: ["encoder"],
    });
  }
  if (before) normBar(pen, norm, top);
  const label = (text: string, w: number) => (w < 15 ? text.charAt(0) : w < 54 ? text.slice(0, 1) : text);
  const matrix = (id: string, text: string, x: number, w: number, stripes: number) =>
    pen.boxes.push({
      part: name(id),
      component,
      x,
      y: top,
      w,
      h: side,
      label: label(text, w),
      labelAt: "above",
      stripes,
      torn,
    });
  matrix("q", "Queries", qx, qw, shape.heads);
  matrix("k", "Keys", kx, kw, shape.kvHeads);
  matrix("v", "Values", vx, kw, shape.kvHeads);

  let leave = top + side;
  if (shape.qkNorm) {
    for (const [x, w] of [
      [qx, qw],
      [kx, kw],
    ] as const)
      pen.bars.push({ part: name("qk_norm"), component: "norms", x, y: leave + 4, w, h: 4 });
    leave += 8;
  }
  const turned = shape.positions === "rope" && !cross;
  if (turned) {
    leave += 13;
    for (const x of [qx + qw / 2, kx + kw / 2])
      pen.glyphs.push({ kind: "rotate", part: "positions", component: "positions", x, y: leave, size: 16 });
    leave += 9;
  }
  const spread = Math.max(qw, Math.min(0.72 * room, shape.heads * (pen.roomy ? 12 : 9)));
  const row = { part: name("scores"), x: left, y: leave + 46, w: spread, h: 14 };
  pen.heads.push({ ...row, component, heads: shape.heads, groups: shape.kvHeads });
  delta(pen, { prefix, qx, qw, kx, kw, vx, top: top + side, leave, row });

  const outTop = row.y + row.h + 40;
  pen.boxes.push({
    part: name("output"),
    component,
    x: left,
    y: outTop,
    w: qw,
    h: side,
    label: "Output",
    labelAt: "right",
    stripes: shape.heads,
    torn,
  });
  if (!cross) masks(pen, outTop, left + qw);
  giveBack(pen, {
    from: left,
    y: outTop + side / 2,
    part: name("output"),
    norm: placement === "sandwich" ? (cross ? "cross.post_norm" : "attention_post_norm") : null,
    top: outTop,
    after: placement === "post" ? norm : null,
  });
  pen.y = outTop + side + 14;
  return middle;
}

/** The lines between projections and heads: each group of heads meets the keys and values that it shares. */
function delta(
  pen: Pen,
  at: {
    prefix: string;
    qx: number;
    qw: number;
    kx: number;
    kw: number;
    vx: number;
    top: number;
    leave: number;
    row: { part: string; x: number; y: number; w: number; h: number };
  },
): void {
  const { heads, kvHeads } = pen.shape;
  const { row } = at;
  const some = (count: number) => {
    const shown = Math.min(count, MOST_LINES);
    return Array.from({ length: shown }, (_, place) => (Math.floor((place * count) / shown) + 0.5) / count);
  };
  const lower = row.y + row.h + 5;
  const wires = { query: "", key: "", value: "" };
  for (const share of some(heads)) {
    const [x, head] = [at.qx + share * at.qw, row.x + share * row.w];
    wires.query += fall(x, at.top, head, row.y) + fall(head, row.y + row.h, x, row.y + row.h + 40);
  }
  for (const share of some(kvHeads)) {
    const meets = row.x + share * row.w;
    const value = at.vx + share * at.kw;
    wires.key += fall(at.kx + share * at.kw, at.top, meets, row.y - 5);
    // Values go round the heads' row and come to it from below.
    wires.value +=
      line([value, at.top], [value, at.leave + 8]) +
      `C${round(value)} ${round(lower + 34)} ${round(meets)} ${round(lower + 30)} ${round(meets)} ${round(lower)}`;
  }
  for (const kind of ["query", "key", "value"] as const)
    pen.wires.push({ d: wires[kind], kind, parts: [row.part, `${at.prefix}${ENDS[kind]}`] });
}

/** What a token sees, at the right of the output projection. */
function masks(pen: Pen, top: number, taken: number): void {
  const { shape, side, left, room } = pen;
  const windowed = windowedLayers(shape);
  const layers = shape.architecture === "encoder" ? shape.encoderLayers : shape.layers;
  const kinds: ("mask" | "window")[] =
    windowed === 0 ? ["mask"] : windowed === layers ? ["window"] : ["window", "mask"];
  const right = left + room;
  const gap = kinds.length > 1 ? 22 : 0;
  const free = right - taken - (pen.roomy ? 100 : 70);
  const size = Math.min(side - 12, 56, (free - gap) / kinds.length);
  if (size < 14) return;
  const said = size >= 26 || kinds.length === 1;
  const y = top + (side - (said ? 12 : 0)) / 2;
  kinds.forEach((kind, place) => {
    const x = right - (kinds.length - 1 - place) * (size + gap) - size / 2 - (said ? 8 : 0);
    pen.glyphs.push({ kind, part: "mask", component: "attention", x, y, size });
    const seen =
      kind === "window" ? `last ${formatShort(shape.window)}` : kinds.length > 1 ? "all" : "all before";
    if (said)
      pen.words.push({
        x,
        y: y + size / 2 + 14,
        text: shape.architecture === "encoder" ? "both sides" : seen,
        anchor: "middle",
        part: "mask",
      });
  });
}

/** From a part back to the stream, with what stands on that way. */
function giveBack(
  pen: Pen,
  at: { from: number; y: number; part: string; norm: string | null; top: number; after: string | null },
): void {
  pen.wires.push({ d: line([at.from, at.y], [pen.stream, at.y]), kind: "wire", parts: [at.part] });
  if (at.norm) normBar(pen, at.norm, at.top);
  pen.glyphs.push({ kind: "plus", part: at.part, component: "attention", x: pen.stream, y: at.y, size: 16 });
  if (at.after)
    pen.bars.push({ part: at.after, component: "norms", x: pen.stream - 13, y: at.y + 14, w: 26, h: 6 });
}

/** Feed-forward: out into the hidden width, through the activation, and back. */
function feedForward(pen: Pen, tap: number | null): void {
  const { shape, side, left, room, stream } = pen;
  const before = shape.placement !== "post";
  pen.y += 8;
  const top = pen.y;
  const router = shape.experts ? Math.max(7, shape.experts * pen.unit) : 0;
  const x = left + (router ? Math.min(router, 0.25 * room) + 16 : 0);
  const sheets = shape.experts ? Math.min(4, shape.experts - 1) : 0;
  const { w, torn } = pen.fit(shape.hidden, left + room - x - 3 * sheets);
  const middle = top + side / 2;
  const from = tap ?? middle;
  if (tap === null) pen.wires.push({ d: line([stream, from], [x, middle]), kind: "wire", parts: ["up"] });
  else {
    const along = stream + 12;
    pen.wires.push({
      d: line([stream, tap], [along, tap], [along, middle], [x, middle]),
      kind: "wire",
      parts: ["up"],
    });
  }
  if (before) normBar(pen, "ffn_norm", top);
  if (router)
    pen.boxes.push({
      part: "router",
      component: "router",
      x: left,
      y: top,
      w: Math.min(router, 0.25 * room),
      h: side,
      label: "",
      labelAt: "none",
    });
  const matrix = (part: string, label: string, y: number) =>
    pen.boxes.push({
      part,
      component: "feed-forward",
      x,
      y,
      w,
      h: side,
      label,
      labelAt: "inside",
      torn,
      sheets,
    });
  if (shape.gated) {
    matrix("gate", "Gate", pen.y);
    const under = pen.y + side + 8;
    pen.wires.push({
      d: line([x - 5, middle], [x - 5, under + side / 2], [x, under + side / 2]),
      kind: "wire",
      parts: ["up"],
    });
    pen.y = under;
  }
  matrix("up", "Up", pen.y);
  const hidden = pen.y + side;
  const act = hidden + 20;
  const zone = 40 + 3 * sheets;
  const centre = x + Math.min(w / 2, 0.5 * room);
  pen.wires.push({ d: line([centre, hidden], [centre, hidden + zone]), kind: "wire", parts: ["activation"] });
  if (shape.gated) {
    const beside = x + w + (sheets ? 3 * sheets : 0) + 7;
    pen.wires.push({
      d: line([x + w, top + side / 2], [beside, top + side / 2], [beside, act], [centre, act]),
      kind: "wire",
      parts: ["gate"],
    });
    pen.glyphs.push({
      kind: "times",
      part: "activation",
      component: "feed-forward",
      x: centre,
      y: act,
      size: 14,
    });
  }
  pen.glyphs.push({
    kind: "activation",
    part: "activation",
    component: "feed-forward",
    x: shape.gated ? centre + 46 : centre,
    y: act,
    size: 40,
  });
  pen.y = hidden + zone;
  matrix("down", "Down", pen.y);
  giveBack(pen, {
    from: x,
    y: pen.y + side / 2,
    part: "down",
    norm: shape.placement === "sandwich" ? "ffn_post_norm" : null,
    top: pen.y,
    after: shape.placement === "post" ? "ffn_norm" : null,
  });
  pen.y += side;
  if (shape.placement === "post") pen.y = Math.max(pen.y, pen.y - side / 2 + 24);
}

/** The last norm, and the head that scores the vocabulary. Returns where the stream ends. */
function finish(pen: Pen): number {
  const { shape, left, room, stream, side } = pen;
  if (shape.placement !== "post") normOnStream(pen, "final_norm");
  pen.y += 12;
  if (shape.headTransform) {
    const y = pen.y;
    pen.boxes.push({
      part: "head_transform",
      component: "head",
      x: left,
      y,
      w: side,
      h: side,
      label: "Head's own layer",
      labelAt: "right",
    });
    pen.wires.push({
      d: line([stream, y + side / 2], [left, y + side / 2]),
      kind: "wire",
      parts: ["head_transform"],
    });
    pen.y += side + 12;
  }
  const h = shape.tied ? 26 : side;
  const { w, torn } = pen.fit(shape.vocab, room);
  pen.boxes.push({
    part: "head",
    component: "head",
    x: left,
    y: pen.y,
    w,
    h,
    torn,
    ghost: shape.tied,
    label: shape.tied ? (w > 150 ? "Head: the embedding again" : "Head: tied") : "Head",
    labelAt: w > 60 ? "inside" : "right",
  });
  const end = pen.y + h / 2;
  pen.wires.push({ d: line([stream, end], [left, end]), kind: "wire", parts: ["head"] });
  pen.y += h + 18;
  pen.words.push({ x: left + Math.min(w, room) / 2, y: pen.y, text: "logits", anchor: "middle" });
  pen.y += 10;
  return end;
}
