import { layout, mergePicture, symbolsAt, widthOf } from "@/lib/tokenizer-merges";

const merge = (rank: number, left: string, right: string, place: number) => ({
  rank,
  left,
  right,
  merged: left + right,
  place,
});
const UNABLE = {
  symbols: [..."unable"],
  merges: [
    merge(20, "l", "e", 4),
    merge(183, "a", "b", 2),
    merge(275, "ab", "le", 2),
    merge(1767, "u", "n", 0),
  ],
};

test("merges become nodes below their parts, and what is left are the tokens", () => {
  const picture = mergePicture(UNABLE);
  expect(picture).toMatchObject({ symbols: 6, steps: 4, rows: 3 });
  expect(picture.tokens.map((id) => picture.nodes[id]?.text)).toEqual(["un", "able"]);
  const able = picture.nodes.find((node) => node.text === "able");
  expect(able).toMatchObject({ step: 3, rank: 275, first: 2, last: 5, row: 2 });
  expect(able?.parts?.map((id) => picture.nodes[id]?.text)).toEqual(["ab", "le"]);
});

test("each moment has its symbols", () => {
  const picture = mergePicture(UNABLE);
  const at = (step: number) => symbolsAt(picture, step).map((node) => node.text);
  expect(at(0)).toEqual([..."unable"]);
  expect(at(1)).toEqual(["u", "n", "a", "b", "le"]);
  expect(at(2)).toEqual(["u", "n", "ab", "le"]);
  expect(at(3)).toEqual(["u", "n", "able"]);
  expect(at(4)).toEqual(["un", "able"]);
});

test("equal pairs are told apart by their place", () => {
  const picture = mergePicture({
    symbols: ["a", "a", "a", "a"],
    merges: [merge(1, "a", "a", 2), merge(1, "a", "a", 0)],
  });
  expect(picture.nodes.slice(4).map((node) => [node.first, node.last])).toEqual([
    [2, 3],
    [0, 1],
  ]);
});

test("a merge that does not fit ends the picture", () => {
  const picture = mergePicture({
    symbols: ["a", "b"],
    merges: [merge(1, "x", "b", 0), merge(2, "a", "b", 0)],
  });
  expect(picture.steps).toBe(0);
  expect(picture.tokens).toEqual([0, 1]);
  expect(mergePicture({ symbols: [], merges: [] })).toMatchObject({ symbols: 0, rows: 1, tokens: [] });
});

test("columns are wide enough for every text and rank, and symbols never overlap", () => {
  const picture = mergePicture({ symbols: ["i", "i", "清"], merges: [merge(1_234_567, "i", "i", 0)] });
  const { placed, width } = layout(picture);
  for (const { node, width: own } of placed) expect(own).toBeGreaterThanOrEqual(widthOf(node.text) + 10);
  expect(placed[3]!.width).toBeGreaterThanOrEqual(7 * "1,234,567".length);
  const symbols = placed.slice(0, 3);
  symbols.slice(1).forEach((item, at) => expect(item.x).toBeGreaterThan(symbols[at]!.x + symbols[at]!.width));
  expect(placed[3]!.x).toBe(symbols[0]!.x);
  expect(width).toBe(symbols[2]!.x + symbols[2]!.width);
});
