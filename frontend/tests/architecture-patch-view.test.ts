import type { Intervention } from "@/lib/architecture-types";
import { partWords, readEdits, runnable, samePart, toggleEdit, writeEdits } from "@/lib/patch-edits";
import { exampleOf, PATCH_EXAMPLES } from "@/lib/patch-examples";
import {
  differences,
  guessPairs,
  isLightSweep,
  leastShown,
  strongestCell,
  sweepCsv,
  sweepPasses,
} from "@/lib/patch-view";

const MODEL = { layers: 4, heads: 4 };
const head: Intervention = { kind: "zero", part: "head", layer: 2, head: 0, position: null };
const ffn: Intervention = { kind: "mean", part: "ffn", layer: 0, position: 7 };
const residual: Intervention = { kind: "patch", part: "residual", layer: 3, position: null };

describe("changes in the address", () => {
  test("are read as they were written", () => {
    const written = writeEdits([head, ffn, residual]);
    expect(written).toBe("zero-head-2.0,mean-ffn-0@7,patch-residual-3");
    expect(readEdits(written, MODEL)).toEqual([head, ffn, residual]);
    expect(writeEdits([])).toBeNull();
  });

  test("what does not fit the model or makes no sense is left out", () => {
    const wrong =
      "zero-head-4.0,zero-head-0.4,zero-head-1,zero-ffn-0.1,double-ffn-0,zero-tail-0,,zero-ffn--1,zero-ffn-1";
    expect(readEdits(wrong, MODEL)).toEqual([{ kind: "zero", part: "ffn", layer: 1, position: null }]);
    expect(readEdits(null, MODEL)).toEqual([]);
  });
});

describe("putting in and taking out", () => {
  test("the same again takes it out, another kind replaces it", () => {
    expect(toggleEdit([], head)).toEqual([head]);
    expect(toggleEdit([head, ffn], head)).toEqual([ffn]);
    const mean: Intervention = { ...head, kind: "mean" };
    expect(toggleEdit([head, ffn], mean)).toEqual([ffn, mean]);
  });

  test("another token is another change", () => {
    expect(samePart(ffn, { ...ffn, position: 8 })).toBe(false);
    expect(samePart(ffn, { ...ffn, position: null })).toBe(false);
    expect(samePart(head, { ...head, position: undefined })).toBe(true);
  });

  test("what takes from another text waits for one", () => {
    expect(runnable([head, residual], "")).toEqual([head]);
    expect(runnable([head, residual], "text")).toEqual([head, residual]);
  });

  test("in words", () => {
    expect([head, ffn, residual].map(partWords)).toEqual([
      "Layer 2, head 0",
      "Layer 0, feed-forward",
      "Layer 3, residual stream",
    ]);
  });
});

describe("guesses before and after", () => {
  const guess = (text: string, probability: number) => ({
    id: text.charCodeAt(0),
    text,
    logit: 0,
    probability,
  });

  test("are joined by token, the likeliest of either run first", () => {
    const before = [guess("a", 0.9), guess("b", 0.05)];
    const after = [guess("c", 0.6), guess("a", 0.3)];
    expect(guessPairs({ before, after })).toEqual([
      { id: 97, text: "a", before: 0.9, after: 0.3 },
      { id: 99, text: "c", before: null, after: 0.6 },
      { id: 98, text: "b", before: 0.05, after: null },
    ]);
    expect(guessPairs({ before, after }, 1)).toHaveLength(1);
    expect(leastShown(before)).toBe(0.05);
  });
});

describe("sweep", () => {
  test("tokens that differ, and nothing where the lengths do", () => {
    const ids = (...all: number[]) => all.map((id) => ({ id }));
    expect([...differences(ids(1, 2, 3), ids(1, 5, 3))]).toEqual([1]);
    expect([...differences(ids(1, 2), ids(1, 2, 3))]).toEqual([]);
    expect([...differences(ids(1), null)]).toEqual([]);
  });

  test("the cell that says most; holes and drawbacks are none", () => {
    expect(
      strongestCell([
        [0, -5, null],
        [0.2, 0.9, 0.1],
      ]),
    ).toEqual([1, 1]);
    expect(strongestCell([[null]])).toBeNull();
    expect(strongestCell([])).toBeNull();
  });

  test("how many runs it takes, and whether they may start by themselves", () => {
    expect(sweepPasses(4, 4, 39, "residual")).toBe(156);
    expect(sweepPasses(4, 4, 39, "head")).toBe(16);
    expect(isLightSweep(1e6, 39, 156)).toBe(true);
    expect(isLightSweep(124e6, 22, 264)).toBe(false);
  });

  test("as a table", () => {
    expect(sweepCsv({ rows: ["Layer 0"], columns: ["a", "b"], values: [[0.5, null]] })).toBe(
      '"","a","b"\n"Layer 0",0.5,""\n',
    );
  });
});

describe("examples", () => {
  test("each pair differs in a word or two and is found by either text", () => {
    for (const example of PATCH_EXAMPLES) {
      const words = example.text.split(/\s+/);
      const others = example.other.split(/\s+/);
      expect(others).toHaveLength(words.length);
      const changed = words.filter((word, at) => word !== others[at]).length;
      expect(changed).toBeGreaterThan(0);
      expect(changed).toBeLessThanOrEqual(2);
      expect(exampleOf(example.text)).toBe(example);
      expect(exampleOf(example.other)).toBe(example);
    }
    expect(exampleOf("anything else")).toBeUndefined();
  });
});
