import {
  glyphOf,
  overlapping,
  paint,
  partialText,
  partsOf,
  Places,
  samePaint,
  spacedHex,
  visible,
} from "@/lib/tokenizer-text";
import type { ShownToken } from "@/lib/tokenizer-types";

const token = (
  id: number,
  text: string,
  start: number,
  end: number,
  more: Partial<ShownToken> = {},
): ShownToken => ({
  id,
  text,
  bytes: [...new TextEncoder().encode(text)].map((byte) => byte.toString(16).padStart(2, "0")).join(""),
  start,
  end,
  partial: false,
  ...more,
});
const part = (bytes: string, start: number, end: number, more: Partial<ShownToken> = {}) =>
  token(1, "\ufffd", start, end, { partial: true, bytes, ...more });

describe("places", () => {
  test("count code points as the server does, not UTF-16 units", () => {
    const places = new Places("a👩‍🚀é𝔘");
    expect(places.length).toBe(6);
    expect(Array.from({ length: 7 }, (_, point) => places.unit(point))).toEqual([0, 1, 3, 4, 6, 7, 9]);
    expect(places.slice(1, 2)).toBe("👩");
    expect(places.slice(3, 4)).toBe("🚀");
    expect(places.slice(5, 6)).toBe("𝔘");
  });

  test("beyond the text are its ends, and a lone surrogate is one place", () => {
    const places = new Places("a\ud83d!");
    expect(places.length).toBe(3);
    expect(places.slice(-4, 99)).toBe("a\ud83d!");
    expect(new Places("").slice(0, 1)).toBe("");
  });
});

describe("what cannot be seen", () => {
  test.each([
    [" ", "·"],
    ["\n", "⏎"],
    ["\t", "⇥"],
    ["\u3000", "␣"],
    ["\u200d", "ZWJ"],
    ["\u0007", "U+0007"],
    ["a", null],
    ["清", null],
  ])("%j has the sign %j", (character, glyph) => expect(glyphOf(character)).toBe(glyph));

  test("a text with signs, and its parts with line ends", () => {
    expect(visible(" a\tb\n")).toBe("·a⇥b⏎");
    expect(partsOf("\n  x", true)).toEqual([
      { text: "⏎", unseen: true, breaks: true },
      { text: "··", unseen: true, breaks: false },
      { text: "x", unseen: false, breaks: false },
    ]);
    expect(partsOf("\n x", false)).toEqual([
      { text: "", unseen: true, breaks: true },
      { text: " x", unseen: false, breaks: false },
    ]);
  });

  test("an emoji keeps its joiner, so that it stays one picture", () => {
    expect(partsOf("👩‍🚀", true)).toEqual([{ text: "👩‍🚀", unseen: false, breaks: false }]);
  });

  test("bytes are written in pairs, and ASCII of a broken token as it is", () => {
    expect(spacedHex("e2808d")).toBe("E2 80 8D");
    expect(partialText("20e280")).toBe("· E2 80");
    expect(partialText("f0")).toBe("F0");
  });
});

describe("painting", () => {
  test("a character that several tokens share stands once, before all of them", () => {
    const text = "x👩!";
    const tokens = [
      token(1, "x", 0, 1),
      part("f09f", 1, 2),
      part("91", 1, 2),
      part("a9", 1, 2),
      token(2, "!", 2, 3),
    ];
    const painted = paint(tokens, new Places(text));
    expect(painted.map((item) => [item.first, item.whole, item.tokens.length])).toEqual([
      [0, null, 1],
      [1, "👩", 3],
      [4, null, 1],
    ]);
  });

  test("neighbouring broken characters stay apart, overlapping ones together", () => {
    const apart = [part("e6b8", 0, 1), part("85", 0, 1), part("e699", 1, 2), part("a8", 1, 2)];
    expect(paint(apart, new Places("清晨")).map((item) => item.whole)).toEqual(["清", "晨"]);
    const shared = [part("e6", 0, 1), part("b885e6", 0, 2), part("99a8", 1, 2)];
    expect(paint(shared, new Places("清晨")).map((item) => item.whole)).toEqual(["清晨"]);
  });

  test("a piece has one hue and its tokens two shades in turn", () => {
    const piece = (id: number, at: number, number: number, begins: boolean) =>
      token(id, "a", at, at + 1, { piece: number, begins });
    const painted = paint(
      [
        piece(1, 0, 0, true),
        piece(2, 1, 0, false),
        piece(3, 2, 0, false),
        piece(4, 3, 1, true),
        piece(1, 4, 1, true),
      ],
      new Places("aaaaa"),
    );
    expect(painted.map((item) => item.hue)).toEqual([0, 0, 0, 1, 2]);
    expect(painted.map((item) => item.shades[0])).toEqual([false, true, false, false, false]);
  });

  test("without pieces neighbours differ in hue", () => {
    const tokens = Array.from({ length: 9 }, (_, at) => token(at, "a", at, at + 1));
    const hues = paint(tokens, new Places("a".repeat(9))).map((item) => item.hue);
    expect(hues).toEqual([0, 1, 2, 3, 0, 1, 2, 3, 0]);
  });

  test("a line may not end within a joined Arabic word, and knows which way it runs", () => {
    const tokens = [
      token(1, "الم", 0, 3),
      token(2, "كتبة", 3, 7),
      token(3, " في", 7, 10),
      token(4, " ok", 10, 13),
    ];
    const painted = paint(tokens, new Places("المكتبة في ok"));
    expect(painted.map((item) => item.breakable)).toEqual([true, false, true, true]);
    expect(painted.map((item) => item.rightToLeft)).toEqual([true, true, true, false]);
  });

  test("what looks the same is known to, whatever object it is", () => {
    const make = (id: number) => paint([token(id, "a", 0, 1), token(2, "b", 1, 2)], new Places("ab"));
    expect(samePaint(make(1), make(1))).toBe(true);
    expect(samePaint(make(1), make(3))).toBe(false);
    expect(samePaint(make(1), make(1).slice(1))).toBe(false);
  });
});

test("tokens on some characters are found by halving, overlapping ones too", () => {
  const tokens = [token(1, "ab", 0, 2), part("e6", 2, 3), part("b885", 2, 3), token(2, "c", 3, 4)];
  expect(overlapping(tokens, 0, 1)).toEqual([0, 1]);
  expect(overlapping(tokens, 2, 3)).toEqual([1, 3]);
  expect(overlapping(tokens, 1, 4)).toEqual([0, 4]);
  expect(overlapping(tokens, 4, 9)).toEqual([4, 4]);
});
