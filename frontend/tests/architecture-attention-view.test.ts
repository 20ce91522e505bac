import { vi } from "vitest";

import type { Look } from "@/lib/attention-hover";
import { LookStore } from "@/lib/attention-hover";
import {
  countLabels,
  firstHead,
  patternTitle,
  patternWord,
  scoreNames,
  scoresCsv,
  shortPattern,
} from "@/lib/attention-patterns";
import { placeOf, signedPlaceOf } from "@/lib/attention-ramp";
import {
  cellAt,
  firstView,
  fitted,
  formatWeight,
  layoutOf,
  mapCsv,
  MapValues,
  shortName,
  showing,
  spanAround,
  strongest,
  tileOf,
  type View,
  WHOLE,
  zoomed,
} from "@/lib/attention-view";

import { anAttention, aPattern } from "./architecture-samples";

const square = (from: number, to: number): View => ({ rows: { from, to }, columns: { from, to } });

describe("the part of a map that is seen", () => {
  test("a short text is seen and asked for whole", () => {
    expect(firstView(20)).toEqual(square(0, 20));
    expect(tileOf(square(4, 8), 20)).toEqual(square(0, 20));
  });

  test("of a long text only the view is asked for: its last tokens, and what they see first", () => {
    const view = firstView(1000);
    expect(view).toEqual({ rows: { from: 1000 - WHOLE, to: 1000 }, columns: { from: 0, to: WHOLE } });
    expect(tileOf(view, 1000)).toBe(view);
  });

  test("zooming keeps a cell in sight and stops at both ends", () => {
    const near = zoomed(square(0, 64), 2, 64, { row: 60, column: 2 });
    expect(near).toEqual({ rows: { from: 32, to: 64 }, columns: { from: 0, to: 32 } });
    expect(zoomed(near, 0.5, 64)).toEqual(square(0, 64));
    let view = square(0, 64);
    for (let step = 0; step < 10; step += 1) view = zoomed(view, 2, 64);
    expect(view.rows.to - view.rows.from).toBe(8);
    expect(zoomed(square(0, 3), 2, 3)).toEqual(square(0, 3));
    expect(zoomed(firstView(1000), 0.5, 1000)).toEqual(expect.objectContaining({}));
    expect(zoomed(firstView(1000), 0.5, 1000).rows.to - zoomed(firstView(1000), 0.5, 1000).rows.from).toBe(
      WHOLE,
    );
  });

  test("a cell outside draws the view along, one inside leaves it", () => {
    const view = square(10, 20);
    expect(showing(view, 12, 15)).toBe(view);
    expect(showing(view, 20, 9)).toEqual({ rows: { from: 11, to: 21 }, columns: { from: 9, to: 19 } });
  });

  test("a span never leaves the text, and the view of a longer text begins anew", () => {
    expect(spanAround(0, 10, 100)).toEqual({ from: 0, to: 10 });
    expect(spanAround(99, 10, 100)).toEqual({ from: 90, to: 100 });
    expect(spanAround(5, 10, 4)).toEqual({ from: 0, to: 4 });
    expect(fitted(square(0, 40), 30)).toEqual(square(0, 30));
    expect(fitted(square(0, 20), 30)).toEqual(square(0, 20));
  });

  test("a point belongs to the cell that is drawn under it", () => {
    const view = square(10, 20);
    const layout = layoutOf(500, view, 6);
    const inside = (row: number, column: number) =>
      cellAt(
        layout.left + (column - 10 + 0.5) * layout.cell,
        layout.top + (row - 10 + 0.5) * layout.cell,
        layout,
        view,
      );
    expect(inside(10, 10)).toEqual({ row: 10, column: 10 });
    expect(inside(19, 12)).toEqual({ row: 19, column: 12 });
    expect(inside(20, 12)).toBeNull();
    expect(cellAt(2, 2, layout, view)).toBeNull();
  });
});

describe("values of a map", () => {
  const values = new MapValues(Float32Array.from([1, 0, 0.25, 0.75]), square(4, 6));

  test("are found by token, and missing outside the tile", () => {
    expect(values.at(4, 4)).toBe(1);
    expect(values.at(5, 5)).toBe(0.75);
    expect(values.at(3, 4)).toBeNull();
    expect(values.row(5, 6)).toEqual([null, null, null, null, 0.25, 0.75]);
    expect(values.column(4, 6)).toEqual([null, null, null, null, 1, 0.25]);
  });

  test("the largest leaves the first token out where asked", () => {
    const whole = new MapValues(Float32Array.from([1, 0, 0.75, 0.25]), square(0, 2));
    expect(whole.largest(square(0, 2), false)).toBe(1);
    expect(whole.largest(square(0, 2), true)).toBe(0.25);
  });

  test("the strongest come first, those below the floor not at all", () => {
    expect(strongest([0.1, null, 0.7, 0.001], 2, 0.01)).toEqual([
      { index: 2, value: 0.7 },
      { index: 0, value: 0.1 },
    ]);
  });

  test("a table names rows and columns and quotes what has to be", () => {
    const tokens = [
      { id: 1, text: 'a "b"', start: 0, end: 5 },
      { id: 2, text: "c,", start: 5, end: 7 },
    ];
    const map = new MapValues(Float32Array.from([1, 0, 0.25, 0.75]), square(0, 2));
    expect(mapCsv(tokens, map, square(0, 2))).toBe(
      'token,"0 a ""b""","1 c,"\n"0 a ""b""",1,0\n"1 c,",0.25,0.75\n',
    );
  });
});

describe("words and colours", () => {
  test("names on an axis show white space and are cut", () => {
    expect(shortName(" dog")).toBe("·dog");
    expect(shortName("internationalization", 6)).toBe("inter…");
  });

  test("weights have digits that say something", () => {
    expect([0, 0.5, 0.00012, null].map(formatWeight)).toEqual(["0", "0.500", "1.2e-4", "–"]);
  });

  test("a share finds its colour by its square root, a signed one from the middle", () => {
    expect([0, 0.25, 1, 2, NaN].map(placeOf)).toEqual([0, 128, 255, 255, 0]);
    expect([-1, 0, 1, 5].map(signedPlaceOf)).toEqual([0, 128, 255, 255]);
  });

  test("patterns have words, those that nobody named too", () => {
    expect(patternTitle("previous_token")).toBe("Previous token");
    expect(patternTitle("segment_sentence")).toBe("Own sentence");
    expect(patternTitle("local_16")).toBe("Local, 16 tokens");
    expect(shortPattern("local_16")).toBe("loc 16");
    expect(patternWord("segment_sentence")).toBe("Sentence");
    expect(patternTitle("induction_without_first")).toBe("Induction without first");
  });
});

describe("heads", () => {
  const { patterns } = anAttention();

  test("are counted by label", () => {
    expect(countLabels(patterns)).toEqual([
      { label: "first_token", count: 2 },
      { label: "mixed", count: 1 },
      { label: "previous_token", count: 1 },
    ]);
  });

  test("the first to open is the clearest of the most telling label", () => {
    expect(firstHead(patterns)).toEqual({ layer: 1, head: 0 });
    expect(
      firstHead([
        ...patterns,
        aPattern(0, 1, { label: "induction", score: 0.4 }),
        aPattern(1, 1, { label: "induction", score: 0.6 }),
      ]),
    ).toEqual({ layer: 1, head: 1 });
    const sure = (layer: number, head: number, confidence: number) =>
      aPattern(layer, head, { scores: { confidence } });
    expect(firstHead([sure(0, 0, 0.3), sure(0, 1, 0.6), sure(1, 0, 0.5)])).toEqual({ layer: 0, head: 1 });
    expect(firstHead([])).toEqual({ layer: 0, head: 0 });
  });

  test("scores without the first token take the place of the others where there are any", () => {
    expect(scoreNames(patterns)).toEqual(["previous_token", "first_token"]);
    expect(scoreNames(patterns, true)).toEqual(["previous_token_without_first", "first_token"]);
  });

  test("all scores go into the table that is saved", () => {
    expect(scoresCsv(patterns).split("\n").slice(0, 2)).toEqual([
      "layer,head,label,score,previous_token,previous_token_without_first,first_token",
      "0,0,first_token,0.9000,0.1000,0.3000,0.2000",
    ]);
  });
});

test("what the pointer is on is told once in a frame, and only when it changed", () => {
  const frames: FrameRequestCallback[] = [];
  vi.stubGlobal("requestAnimationFrame", (callback: FrameRequestCallback) => frames.push(callback));
  const draw = () => frames.splice(0).forEach((callback) => callback(0));
  const store = new LookStore();
  const told: (Look | null)[] = [];
  const stop = store.watch((look) => told.push(look));
  for (let column = 0; column < 5; column += 1) store.set({ row: 1, column });
  expect(frames).toHaveLength(1);
  draw();
  expect(told).toEqual([{ row: 1, column: 4 }]);
  store.set({ row: 1, column: 4 });
  draw();
  expect(told).toHaveLength(1);
  store.set(null);
  draw();
  expect(told).toEqual([{ row: 1, column: 4 }, null]);
  stop();
  store.set({ row: 2, column: 2 });
  draw();
  expect(told).toHaveLength(2);
  vi.unstubAllGlobals();
});
