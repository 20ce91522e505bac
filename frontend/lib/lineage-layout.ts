/** Where the boxes and wires of a lineage stand: in layers from left to right, or one below the other. */

import type { components } from "./api.gen";

type Schemas = components["schemas"];
export type LineageNode = Schemas["LineageNode"];
export type Lineage = Schemas["RunLineage"];

/** A run with what it made, or a thing of its own. */
export interface Box {
  id: string;
  /** The run; null where the maker of the one row is not known. */
  head: LineageNode | null;
  rows: LineageNode[];
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface Wire {
  /** Node that it begins at, and box that it leads to. */
  from: LineageNode;
  to: string;
  path: string;
  /** Where its arrow's tip is. */
  tip: { x: number; y: number };
}

export interface Picture {
  width: number;
  height: number;
  boxes: Box[];
  wires: Wire[];
  /** Whether one box stands below the other. */
  upright: boolean;
}

export const HEAD = 32;
export const ROW = 26;
const FOOT = 6;
const MARGIN = 2;
const GAP_X = 34;
const GAP_Y = 18;
const LANE = 10;
const NARROW = 132;
const WIDE = 216;
const LIST_BELOW = 560;
const SWEEPS = 4;

interface Link {
  from: LineageNode;
  source: string;
  target: string;
}

/** The boxes of a graph, not placed yet, and the links between them. */
export function boxesOf(graph: Lineage): { boxes: Box[]; links: Link[] } {
  const nodes = new Map(graph.nodes.map((node) => [node.id, node]));
  const home = new Map<string, string>();
  const boxes: Box[] = [];
  const box = (id: string, head: LineageNode | null, rows: LineageNode[]) => {
    const height = (head ? HEAD : FOOT) + rows.length * ROW + FOOT - (head && !rows.length ? FOOT : 0);
    boxes.push({ id, head, rows, x: 0, y: 0, width: 0, height });
    for (const node of [...(head ? [head] : []), ...rows]) home.set(node.id, id);
  };
  for (const run of graph.nodes.filter(({ kind }) => kind === "run")) {
    const rows = graph.edges
      .filter(({ before, after }) => before === run.id && !home.has(after))
      .map(({ after }) => nodes.get(after))
      .filter((node): node is LineageNode => node !== undefined && node.kind !== "run")
      .sort((a, b) => Number(a.kind === "checkpoint") - Number(b.kind === "checkpoint"));
    box(run.id, run, rows);
  }
  for (const node of graph.nodes) if (!home.has(node.id)) box(node.id, null, [node]);
  const links = new Map<string, Link>();
  for (const { before, after } of graph.edges) {
    const [from, source, target] = [nodes.get(before), home.get(before), home.get(after)];
    if (!from || !source || !target || source === target) continue;
    links.set(`${before} ${target}`, { from, source, target });
  }
  return { boxes, links: [...links.values()] };
}

/** The layer of each box: one more than the last of those that lead to it. */
export function layersOf(boxes: readonly Box[], links: readonly Link[]): Map<string, number> {
  const found = new Map<string, number>();
  const layer = (id: string): number => {
    const known = found.get(id);
    if (known !== undefined) return known;
    found.set(id, 0); // ends a circle, which a true lineage does not have
    const before = links.filter(({ target }) => target === id).map(({ source }) => layer(source) + 1);
    const value = Math.max(0, ...before);
    found.set(id, value);
    return value;
  };
  boxes.forEach(({ id }) => layer(id));
  return found;
}

/** Where within its box a node's wires begin. */
function portOf(box: Box, node: LineageNode): number {
  const place = box.rows.findIndex(({ id }) => id === node.id);
  return place < 0 ? HEAD / 2 : (box.head ? HEAD : FOOT) + place * ROW + ROW / 2;
}
const entryOf = (box: Box): number => (box.head ? HEAD / 2 : FOOT + ROW / 2);

/** The picture of a lineage for a width. */
export function layOut(graph: Lineage, width: number): Picture {
  const { boxes, links } = boxesOf(graph);
  const layers = layersOf(boxes, links);
  return width < LIST_BELOW ? upright(boxes, links, layers, width) : across(boxes, links, layers, width);
}

/** What stands in a layer: a box, or a wire on its way through. */
interface Item {
  key: string;
  box: Box | null;
  y: number;
  height: number;
  /** Where wires come in and go out, from its top. */
  entry: number;
  before: { item: string; port: number }[];
  after: string[];
}

const GAP_OF = (item: Item): number => (item.box ? GAP_Y : GAP_Y / 2);

function across(boxes: Box[], links: Link[], layers: Map<string, number>, width: number): Picture {
  const count = Math.max(...layers.values()) + 1;
  const column = Math.min(WIDE, Math.max(NARROW, (width - 2 * MARGIN - (count - 1) * GAP_X) / count));
  const x = (layer: number) => MARGIN + layer * (column + GAP_X);
  const items = new Map<string, Item>();
  const columns: Item[][] = Array.from({ length: count }, () => []);
  const add = (item: Item, layer: number) => {
    items.set(item.key, item);
    columns[layer]?.push(item);
  };
  for (const box of boxes) {
    const layer = layers.get(box.id) ?? 0;
    box.x = x(layer);
    box.width = column;
    add({ key: box.id, box, y: 0, height: box.height, entry: entryOf(box), before: [], after: [] }, layer);
  }
  // A wire over several layers has a place in each between; wires of one node share it.
  const via = (link: Link, layer: number) => `${link.from.id} ${layer}`;
  const stops = new Map<Link, string[]>();
  const connect = (from: string, to: string, port: number) => {
    const [source, target] = [items.get(from), items.get(to)];
    if (!source || !target || target.before.some(({ item, port: at }) => item === from && at === port))
      return;
    target.before.push({ item: from, port });
    source.after.push(to);
  };
  for (const link of links) {
    const [first = 0, last = 0] = [layers.get(link.source), layers.get(link.target)];
    const source = items.get(link.source)!.box!;
    const road = [link.source];
    for (let layer = first + 1; layer < last; layer += 1) {
      const key = via(link, layer);
      if (!items.has(key)) add({ key, box: null, y: 0, height: 2, entry: 1, before: [], after: [] }, layer);
      road.push(key);
    }
    road.push(link.target);
    road.slice(1).forEach((to, place) => {
      connect(road[place]!, to, place === 0 ? portOf(source, link.from) : 1);
    });
    stops.set(link, road);
  }
  settle(columns, items);

  const top = Math.min(...[...items.values()].map(({ y }) => y));
  for (const item of items.values()) {
    item.y += MARGIN - top;
    if (item.box) item.box.y = item.y;
  }
  const wires = links.map((link): Wire => {
    const road = stops.get(link)!;
    const first = layers.get(link.source) ?? 0;
    const source = items.get(link.source)!.box!;
    let [px, py] = [source.x + column, source.y + portOf(source, link.from)];
    let path = `M${px} ${py}`;
    road.slice(1).forEach((key, place) => {
      const item = items.get(key)!;
      const [nx, ny] = [x(first + 1 + place), item.y + item.entry];
      const middle = (px + nx) / 2;
      path += ` C${middle} ${py} ${middle} ${ny} ${nx} ${ny}`;
      if (!item.box) path += ` H${nx + column}`;
      [px, py] = [item.box ? nx : nx + column, ny];
    });
    return { from: link.from, to: link.target, path, tip: { x: px, y: py } };
  });
  const bottom = Math.max(...[...items.values()].map(({ y, height }) => y + height));
  return {
    width: 2 * MARGIN + count * column + (count - 1) * GAP_X,
    height: bottom + MARGIN,
    boxes,
    wires,
    upright: false,
  };
}

/** Orders the items of each column by their neighbours', then moves them as near to those as there is room. */
function settle(columns: Item[][], items: Map<string, Item>): void {
  const before = (item: Item) =>
    item.before.map(({ item: key, port }) => items.get(key)!.y + port - item.entry);
  const after = (item: Item) =>
    item.after.map((key) => items.get(key)!.y + items.get(key)!.entry - item.entry);
  const place = (column: Item[], wished: (item: Item) => number[], sort: boolean) => {
    const wish = new Map(column.map((item) => [item, mean(wished(item)) ?? item.y]));
    if (sort) column.sort((a, b) => wish.get(a)! - wish.get(b)!);
    let free = -Infinity;
    for (const item of column) {
      item.y = Math.max(wish.get(item)!, free);
      free = item.y + item.height + GAP_OF(item);
    }
    const drift = mean(column.map((item) => wish.get(item)! - item.y)) ?? 0;
    for (const item of column) item.y += drift;
  };
  for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
    columns.forEach((column) => place(column, before, true));
    [...columns].reverse().forEach((column) => place(column, after, sweep < SWEEPS - 1));
  }
  columns.forEach((column) => place(column, before, false));
}

const mean = (values: readonly number[]): number | null =>
  values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : null;

/** One box below the other, with the wires in lanes at the left, as in a history of versions. */
function upright(boxes: Box[], links: Link[], layers: Map<string, number>, width: number): Picture {
  boxes.sort((a, b) => (layers.get(a.id) ?? 0) - (layers.get(b.id) ?? 0));
  let y = MARGIN;
  for (const box of boxes) {
    box.y = y;
    y += box.height + GAP_Y * 0.75;
  }
  const placed = new Map(boxes.map((box) => [box.id, box]));
  const bundles = new Map<string, { links: Link[]; start: number; end: number; lane: number }>();
  for (const link of links) {
    const source = placed.get(link.source)!;
    const start = source.y + portOf(source, link.from);
    const end = placed.get(link.target)!.y + entryOf(placed.get(link.target)!);
    const known = bundles.get(link.from.id) ?? { links: [], start, end, lane: 0 };
    bundles.set(link.from.id, { ...known, links: [...known.links, link], end: Math.max(known.end, end) });
  }
  const busy: number[] = []; // until where each lane is taken, the nearest to the boxes first
  const ordered = [...bundles.values()].sort((a, b) => a.start - b.start || a.end - b.end);
  for (const bundle of ordered) {
    const free = busy.findIndex((until) => until < bundle.start - 2);
    bundle.lane = free < 0 ? busy.length : free;
    busy[bundle.lane] = bundle.end;
  }
  const left = MARGIN + (busy.length + 1) * LANE;
  for (const box of boxes) {
    box.x = left;
    box.width = width - left - MARGIN;
  }
  const wires = ordered.flatMap(({ links: bundled, start, lane }) =>
    bundled.map((link): Wire => {
      const target = placed.get(link.target)!;
      const [at, end] = [left - (lane + 1.5) * LANE, target.y + entryOf(target)];
      const path = `M${left} ${start} H${at + 5} Q${at} ${start} ${at} ${start + 5} V${end - 5} Q${at} ${end} ${at + 5} ${end} H${left}`;
      return { from: link.from, to: link.target, path, tip: { x: left, y: end } };
    }),
  );
  return { width, height: y - GAP_Y * 0.75 + MARGIN, boxes, wires, upright: true };
}
