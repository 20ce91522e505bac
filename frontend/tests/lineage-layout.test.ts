import { boxesOf, layOut, type Lineage, type LineageNode, layersOf } from "@/lib/lineage-layout";
import { figuresOf, fitted, hrefOf, madeFrom, sentenceOf, shortFigure } from "@/lib/lineage-words";

import { aLineage, aNode } from "./lineage-samples";

const inside = (node: LineageNode, graph: Lineage) =>
  boxesOf(graph).boxes.find(({ head, rows }) => [head, ...rows].some((item) => item?.id === node.id))!.id;

test("a run stands in one box with what it made and what was forked from it", () => {
  const { boxes, links } = boxesOf(aLineage());
  expect(boxes.map(({ id, rows }) => [id, rows.map((row) => row.id)])).toEqual([
    ["data-run", ["data"]],
    ["tokens-run", ["tokens"]],
    ["base-run", ["base", "base-run@400"]],
    ["fork-run", ["fork"]],
    ["score-run", ["score"]],
  ]);
  expect(links.map(({ from, source, target }) => `${from.id}: ${source} > ${target}`)).toEqual([
    "data: data-run > tokens-run",
    "tokens: tokens-run > base-run",
    "base-run@400: base-run > fork-run",
    "base: base-run > score-run",
    "data: data-run > score-run",
  ]);
  const imported = { nodes: [aNode({ id: "m", kind: "model" })], edges: [] };
  expect(boxesOf(imported).boxes).toMatchObject([{ head: null, rows: [{ id: "m" }] }]);
});

test("every box stands right of all that it was made from, and none over another", () => {
  const graph = aLineage();
  const { boxes, wires, width, height, upright } = layOut(graph, 1100);
  expect(upright).toBe(false);
  const at = new Map(boxes.map((box) => [box.id, box]));
  for (const { from, to } of wires) {
    const source = at.get(inside(from, graph))!;
    expect(at.get(to)!.x).toBeGreaterThanOrEqual(source.x + source.width);
  }
  for (const one of boxes) {
    expect(one.x).toBeGreaterThanOrEqual(0);
    expect(one.y).toBeGreaterThanOrEqual(0);
    expect(one.x + one.width).toBeLessThanOrEqual(width);
    expect(one.y + one.height).toBeLessThanOrEqual(height);
    for (const other of boxes) {
      if (one === other || one.x !== other.x) continue;
      expect(one.y + one.height <= other.y || other.y + other.height <= one.y).toBe(true);
    }
  }
  expect(layOut(graph, 700).width).toBeLessThanOrEqual(700);
});

test("where there is little room, one box stands below the other", () => {
  const graph = aLineage();
  const { boxes, wires, width, upright } = layOut(graph, 326);
  expect([upright, width]).toEqual([true, 326]);
  const layers = layersOf(boxes, boxesOf(graph).links);
  boxes.slice(1).forEach((box, place) => {
    expect(box.y).toBeGreaterThan(boxes[place]!.y + boxes[place]!.height);
    expect(layers.get(box.id)).toBeGreaterThanOrEqual(layers.get(boxes[place]!.id)!);
  });
  const lanes = wires.map(({ path }) => Number(/H([\d.]+) Q/.exec(path)![1]));
  expect(Math.min(...lanes)).toBeGreaterThan(0);
  expect(new Set(wires.map(({ from }) => from.id)).size).toBe(new Set(lanes).size + 1); // one lane is used twice
});

test("a lineage in words", () => {
  const graph = aLineage();
  const [base, run, deleted] = ["base", "fork-run", "data"].map((id) =>
    graph.nodes.find((node) => node.id === id)!,
  ) as [LineageNode, LineageNode, LineageNode];
  expect(sentenceOf(base)).toBe("Model: Small base, parameters 1.2M, validation loss 1.500");
  expect(sentenceOf(run)).toBe("Run, Pre-training: Fork, running, attempt 2, this run");
  expect(sentenceOf({ ...deleted, deleted: true })).toBe("Data set: town, deleted, texts 20,000");
  expect([base, run, deleted].map(hrefOf)).toEqual(["/models/?id=base", "/runs/?id=fork-run", null]);
  expect(hrefOf({ ...base, deleted: true })).toBeNull();
  expect(hrefOf(aNode({ kind: "checkpoint", run: "r" }))).toBe("/runs/?id=r");
  expect([base, deleted].map(shortFigure)).toEqual(["1.2M", "20k texts"]);
  expect(figuresOf(aNode({ kind: "evaluation", figures: { exact_match: 0.5, val_loss: 2 } }))).toEqual([
    ["exactly right", "50.0%"],
  ]);
  expect(
    madeFrom(graph)
      .find(({ node }) => node.id === "score-run")
      ?.from.map(({ id }) => id),
  ).toEqual(["base", "data"]);
  expect(fitted("a long name", 40)).toBe("a lon…");
  expect(fitted("short", 40)).toBe("short");
});
