import type { Lens, LensCell } from "@/lib/architecture-types";
import { diverging, edgesOf, heat, inView } from "@/lib/lens-heat";
import { pictureSize } from "@/lib/lens-picture";
import {
  answersAt,
  attributionCsv,
  firstRight,
  lensCsv,
  lensMeasure,
  lensScale,
  shareWords,
  signed,
  staysRight,
  strongest,
  trueToken,
} from "@/lib/lens-view";

const cell = (guess: string, probability: number, changes: Partial<LensCell> = {}): LensCell => ({
  top: [{ id: guess.charCodeAt(0), text: guess, probability }],
  entropy: 1,
  target_rank: 4,
  target_probability: 0.1,
  kl_to_final: 0.5,
  ...changes,
});
const layer = (name: string, ...positions: LensCell[]) => ({ name, title: name, positions });
const lens = (layers: Lens["layers"], text = "ab") => ({
  layers,
  tokens: Array.from(text, (letter, at) => ({
    id: letter.charCodeAt(0),
    text: letter,
    start: at,
    end: at + 1,
  })),
});

describe("where the final guess first stands", () => {
  const one = (...guesses: string[]) => guesses.map((guess, at) => layer(`l${at}`, cell(guess, 0.5)));

  test("the first row with it, whether it stays or not", () => {
    expect(firstRight(one("x", "z", "z"), 0)).toBe(1);
    expect(staysRight(one("x", "z", "z"), 0)).toBe(true);
    expect(firstRight(one("z", "y", "z"), 0)).toBe(0);
    expect(staysRight(one("z", "y", "z"), 0)).toBe(false);
    expect(firstRight(one("x", "y", "z"), 0)).toBe(2);
  });

  test("a position that is not there has none", () => {
    expect(firstRight(one("x"), 5)).toBeNull();
    expect(firstRight([], 0)).toBeNull();
    expect(staysRight([], 0)).toBe(false);
  });
});

describe("measures", () => {
  const scale = { vocabulary: 100, furthest: 2 };
  const share = (key: string, changes: Partial<LensCell>) =>
    lensMeasure(key).share(cell("x", 0.25, changes), scale);

  test("each is 1 where the answer is found and 0 at its worst", () => {
    expect(share("probability", {})).toBe(0.25);
    expect(share("entropy", { entropy: 0 })).toBe(1);
    expect(share("entropy", { entropy: Math.log(100) })).toBe(0);
    expect(share("rank", { target_rank: 1 })).toBe(1);
    expect(share("rank", { target_rank: 10 })).toBeCloseTo(0.5);
    expect(share("rank", { target_rank: 100 })).toBe(0);
    expect(share("kl", { kl_to_final: 0 })).toBe(1);
    expect(share("kl", { kl_to_final: 2 })).toBe(0);
  });

  test("without a next token there is no rank", () => {
    expect(share("rank", { target_rank: null })).toBeNull();
    expect(lensMeasure("rank").words(cell("x", 1, { target_rank: null }))).toBe("–");
  });

  test("an unknown measure is the first", () => {
    expect(lensMeasure("colour of the sky").key).toBe("probability");
    expect(lensMeasure(null).key).toBe("probability");
  });

  test("the scale knows the furthest cell", () => {
    const found = lensScale(lens([layer("l", cell("x", 1, { kl_to_final: 3 }), cell("y", 1))]), 50);
    expect(found).toEqual({ vocabulary: 50, furthest: 3 });
  });
});

describe("answers to ask about", () => {
  test("the final guesses, then what comes next if it is not among them", () => {
    const shown = lens([layer("l", cell("x", 0.5), cell("y", 0.9))]);
    expect(answersAt(shown, 0)).toEqual([
      { id: 120, text: "x", note: "50%" },
      { id: 98, text: "b", note: "comes next" },
    ]);
    expect(answersAt(shown, 1)).toEqual([{ id: 121, text: "y", note: "90%" }]);
    expect(answersAt(lens([layer("l", cell("b", 0.5))]), 0)).toHaveLength(1);
  });

  test("an encoder guesses the token that stands there", () => {
    const shown = lens([layer("l", cell("x", 0.5), cell("y", 0.9))]);
    expect(trueToken(shown.tokens, 1, false)).toBeUndefined();
    expect(trueToken(shown.tokens, 1, true)?.text).toBe("b");
    expect(answersAt(shown, 1, true).at(-1)).toEqual({ id: 98, text: "b", note: "stands there" });
  });
});

describe("attribution", () => {
  const component = (name: string, value: number) => ({ name, title: name, layer: null, head: null, value });

  test("the strongest first, whatever their sign, and the sum of the others", () => {
    const { shown, others } = strongest(
      [component("a", 1), component("b", -3), component("c", 0.5), component("d", 0.25)],
      2,
    );
    expect(shown.map(({ name }) => name)).toEqual(["b", "a"]);
    expect(others).toEqual({ count: 2, value: 0.75 });
    expect(strongest([component("a", 1)], 2).others).toBeNull();
  });

  test("as a table", () => {
    const csv = attributionCsv({
      model: "m",
      random: false,
      tokenizer: null,
      tokens: [],
      position: 0,
      target: 1,
      target_text: "a",
      against: null,
      against_text: null,
      logit: 2,
      components: [{ name: "head 0", title: "", layer: 0, head: 0, value: 1.5 }],
      sum: 1.5,
      rest: 0.5,
      note: "",
    });
    expect(csv).toBe('"component","layer","head","value"\n"head 0",0,0,1.5\n"rest","","",0.5\n');
  });
});

test("words for shares and signs", () => {
  expect([0, 0.0004, 0.012, 0.0996, 0.5, 1].map(shareWords)).toEqual([
    "0.0%",
    "<0.1%",
    "1.2%",
    "10%",
    "50%",
    "100%",
  ]);
  expect([1.234, -1.234, 0, -0.001].map((value) => signed(value))).toEqual([
    "+1.23",
    "-1.23",
    "0.00",
    "0.00",
  ]);
});

test("the lens as a table quotes what could break it", () => {
  const csv = lensCsv(lens([layer("l0", cell('"', 0.5), cell(",", 0.25, { target_rank: null }))]));
  expect(csv.split("\n").slice(1, 3)).toEqual([
    '"l0",0,"a","""",34,0.5,1,4,0.1,0.5',
    '"l0",1,"b",",",44,0.25,1,"",0.1,0.5',
  ]);
});

describe("colours", () => {
  test("heat goes by way of the middle colour", () => {
    expect(heat(0)).toContain("0.0%, var(--heat-0)");
    expect(heat(0.5)).toContain("var(--heat-1) 100.0%");
    expect(heat(1)).toContain("var(--heat-2) 100.0%");
    expect(heat(7)).toBe(heat(1));
    expect(heat(null)).toBe("transparent");
    expect(heat(NaN)).toBe("transparent");
  });

  test("signed values part above and below zero", () => {
    expect(diverging(1, 2)).toContain("var(--plus) 50.0%");
    expect(diverging(-1, 2)).toContain("var(--minus) 50.0%");
    expect(diverging(5, 2)).toContain("100.0%");
    expect(diverging(1, 0)).toBe("var(--heat-0)");
  });
});

describe("what is in view", () => {
  const edges = edgesOf([10, 20, 30, 40]);

  test("edges add up", () => expect(edges).toEqual([0, 10, 30, 60, 100]));

  test("the boxes that a stretch touches", () => {
    expect(inView(edges, 0, 5)).toEqual([0, 1]);
    expect(inView(edges, 10, 31)).toEqual([1, 3]);
    expect(inView(edges, -50, 500)).toEqual([0, 4]);
    expect(inView(edges, 200, 300)).toEqual([4, 4]);
  });
});

test("a wide picture is drawn smaller rather than not at all", () => {
  const size = (columns: number) =>
    pictureSize({ rows: ["a"], columns: Array<string>(columns).fill("x"), width: 70, height: 28 }, 100);
  expect(size(10).factor).toBe(2);
  const wide = size(1000);
  expect(wide.width * wide.factor).toBeLessThanOrEqual(16_000);
});
