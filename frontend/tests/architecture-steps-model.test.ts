import {
  boxesOf,
  formatValue,
  linesOf,
  ownTitle,
  outlineOf,
  readOpen,
  readTrail,
  sheetOf,
  toggled,
  writeOpen,
  writeTrail,
} from "@/lib/steps-model";

import { aStep, aTrace } from "./architecture-samples";

const names = (steps: readonly { name: string }[]) =>
  steps.map(({ name }) => name.replace(/^blocks\.\d+\./, ""));

describe("the outline of a trace", () => {
  test("parts what stands before, in and behind the blocks", () => {
    const { before, blocks, after } = outlineOf(aTrace().steps);
    expect(names(before)).toEqual(["embedding"]);
    expect(blocks.map(({ layer }) => layer)).toEqual([0, 1]);
    expect(blocks[1]?.branches.map(({ key, title }) => [key, title])).toEqual([
      ["1a", "Attention"],
      ["1f", "Feed-forward"],
    ]);
    expect(names(blocks[1]!.branches[0]!.steps)).toEqual([
      "attention_norm",
      "attention.q",
      "attention.weights",
      "attention.output",
    ]);
    expect(blocks[0]?.branches[1]?.added?.name).toBe("blocks.0.ffn.output");
    expect(blocks[0]?.output?.name).toBe("blocks.0.output");
    expect(names(after)).toEqual(["final_norm", "logits"]);
  });

  test("a norm behind the sum stands behind it (post-norm), one before it belongs to what is added (sandwich)", () => {
    const block = (parts: readonly string[]) =>
      outlineOf(parts.map((part) => aStep(`blocks.0.${part}`))).blocks[0]!.branches[0]!;
    const post = block(["attention.q", "attention.output", "attention_norm"]);
    expect([names(post.steps), names(post.after)]).toEqual([
      ["attention.q", "attention.output"],
      ["attention_norm"],
    ]);
    const sandwich = block(["attention_norm", "attention.output", "attention_post_norm"]);
    expect(names(sandwich.steps)).toEqual(["attention_norm", "attention.output", "attention_post_norm"]);
    expect(sandwich.added?.name).toBe("blocks.0.attention_post_norm");
  });

  test("a trace without blocks is only what stands before", () => {
    expect(outlineOf([aStep("embedding")])).toMatchObject({ blocks: [], after: [] });
  });
});

describe("what is open", () => {
  test("is read from the address and written back in order, without what is no box", () => {
    expect(writeOpen(readOpen("1a,0,x,1"))).toBe("0,1,1a");
    expect(writeOpen(readOpen(null))).toBeNull();
  });

  test("a block that is closed takes its boxes along", () => {
    expect([...toggled(new Set(["1", "1a", "0"]), "1")]).toEqual(["0"]);
    expect([...toggled(new Set(["1"]), "1f")]).toEqual(["1", "1f"]);
  });

  test("a step knows the boxes that it lives in", () => {
    expect(boxesOf("blocks.3.attention.q")).toEqual(["3", "3a"]);
    expect(boxesOf("blocks.3.ffn.hidden")).toEqual(["3", "3f"]);
    expect(boxesOf("blocks.3.ffn_norm")).toEqual(["3"]);
    expect(boxesOf("logits")).toEqual([]);
  });
});

test("inside attention the steps stand in lines, those without a place alone at the end", () => {
  const steps = ["q", "k", "v", "scores", "weights", "mixed", "output", "other"].map((part) =>
    aStep(`blocks.0.attention.${part}`),
  );
  expect(linesOf("attention", steps).map((line) => names(line.steps).join())).toEqual([
    "attention.q,attention.k,attention.v",
    "attention.scores,attention.weights",
    "attention.mixed",
    "attention.output",
    "attention.other",
  ]);
  expect(linesOf("ffn", [aStep("blocks.0.ffn.hidden"), aStep("blocks.0.ffn.output")])).toHaveLength(2);
  expect(ownTitle({ title: "Layer 12, queries" })).toBe("Queries");
});

test("a chain of numbers survives the address", () => {
  const trail = [
    { name: "logits", position: 7, index: 12, head: null },
    { name: "blocks.1.attention.q_rotated", position: 3, index: 0, head: 2 },
  ];
  expect(readTrail(writeTrail(trail))).toEqual(trail);
  expect(writeTrail([])).toBeNull();
  expect(readTrail("logits_1_2~<script>_1_2")).toHaveLength(1);
  expect(readTrail("nonsense")).toEqual([]);
});

test("heads stand in rows, a plain vector is broken into lines", () => {
  expect(sheetOf("blocks.0.attention.q", [4, 32], 128)).toEqual({ rows: 4, columns: 32 });
  expect(sheetOf("blocks.0.attention.weights", [4, 11], 44)).toEqual({ rows: 4, columns: 11 });
  expect(sheetOf("blocks.0.output", [128], 128)).toEqual({ rows: 4, columns: 32 });
  expect(sheetOf("logits", [1024], 1024)).toEqual({ rows: 16, columns: 64 });
  expect(sheetOf("blocks.0.output", [20], 20)).toEqual({ rows: 1, columns: 20 });
});

test("values have four significant digits and a real minus", () => {
  expect([0, 1.23456, -0.012345, 0.000012, 12345.6, -Infinity, null].map(formatValue)).toEqual([
    "0",
    "1.235",
    "−0.01235",
    "1.20e-5",
    "12346",
    "−∞",
    "–",
  ]);
});
