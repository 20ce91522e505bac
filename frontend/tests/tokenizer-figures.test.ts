import { againstLeast, comparedIds, nextTokenizer, shareOf } from "@/lib/tokenizer-compare";
import { byProvider, formatMoney, parsePrice } from "@/lib/tokenizer-cost";
import { figureWords, scaleOf } from "@/lib/tokenizer-coverage";
import { countCurve, joinSteps, requestOf } from "@/lib/tokenizer-training";
import type { PriceTable, Trace } from "@/lib/tokenizer-types";

describe("comparing", () => {
  const known = ["mine", "code", "prose", "tinyworld"];

  test("the address names the tokenizers; unknown ones and doubles are left out, and two are always there", () => {
    expect(comparedIds("prose,code", known, "mine")).toEqual(["prose", "code"]);
    expect(comparedIds("prose,prose,gone", known, "mine")).toEqual(["prose", "mine"]);
    expect(comparedIds(null, known, "prose")).toEqual(["prose", "mine", "code"]);
    expect(comparedIds(null, ["one"], "one")).toEqual(["one"]);
    const many = Array.from({ length: 9 }, (_, at) => `t${at}`);
    expect(comparedIds(many.join(","), many, "t0")).toHaveLength(6);
  });

  test("the next is the first that is not there", () => {
    expect(nextTokenizer(["mine", "prose"], known)).toBe("code");
    expect(nextTokenizer(known, known)).toBeNull();
  });

  test("figures are told against the fewest", () => {
    expect([againstLeast(53, 53), againstLeast(89, 53), againstLeast(5, 0)]).toEqual(["fewest", "+68%", ""]);
    expect([shareOf(0, 9), shareOf(1, 900), shareOf(1, 4)]).toEqual(["none", "1%", "25%"]);
  });
});

describe("money", () => {
  test("has cents from a dollar on, and three digits below", () => {
    expect(formatMoney(1234.5)).toBe("$1,234.50");
    expect(formatMoney(0)).toBe("$0.00");
    expect(formatMoney(0.0123456)).toBe("$0.0123");
    expect(formatMoney(0.000265)).toBe("$0.000265");
    expect(formatMoney(null)).toBe("–");
  });

  test("a price is a number from 0, or none", () => {
    expect([parsePrice("2.5"), parsePrice(" "), parsePrice("-1"), parsePrice("two")]).toEqual([
      2.5,
      null,
      undefined,
      undefined,
    ]);
  });

  test("prices stand by provider in the order of the table", () => {
    const price = (provider: string, model: string) => ({ provider, model });
    const table = { prices: [price("B", "1"), price("A", "2"), price("B", "3")] } as unknown as PriceTable;
    expect(byProvider(table).map(([name, items]) => [name, items.map((item) => item.model)])).toEqual([
      ["B", ["1", "3"]],
      ["A", ["2"]],
    ]);
  });
});

describe("coverage", () => {
  test("shares are percentages, ratios have two decimals, and nothing is a dash", () => {
    expect(figureWords("bytes_per_token", 2.856)).toBe("2.86");
    expect(figureWords("byte_fallback_rate", 0.7312)).toBe("73.1%");
    expect(figureWords("tokens_per_word", null)).toBe("–");
  });

  test("bars end at the greatest value, and are never divided by nothing", () => {
    expect(scaleOf([1, null, 2.5])).toBe(2.5);
    expect(scaleOf([0, null])).toBe(1);
  });
});

describe("training", () => {
  const plan = {
    data: "data-1",
    vocab_size: 512,
    pattern: "gpt2",
    tie_break: "hf",
    chat: false,
    name: " Mine ",
  };

  test("with a data set it is one stage", () => {
    expect(requestOf(plan)).toEqual({
      stage: "tokenizer.train",
      name: "Mine",
      config: {
        dataset: "data-1",
        vocab_size: 512,
        pattern: "gpt2",
        tie_break: "hf",
        chat: false,
        name: "Mine",
        trace: true,
      },
    });
  });

  test("without one it is a recipe that makes it first", () => {
    const request = requestOf({ ...plan, data: "prepare:tinyworld", name: "" });
    expect(request).toMatchObject({ stage: "recipe", name: "tokenizer" });
    const steps = request.config?.["steps"] as { stage: string; config: Record<string, unknown> }[];
    expect(steps.map((step) => step.stage)).toEqual(["data.prepare", "tokenizer.train"]);
    expect(steps[0]?.config).toMatchObject({ source: "tinyworld", documents: 5000 });
    expect(steps[1]?.config).toMatchObject({ dataset: "${data.output}", vocab_size: 512 });
  });

  test("the curve of counts falls from the top to the bottom of its box, each step at its place", () => {
    const steps = [1000, 100, 10].map((count, at) => ({ count, step: at + 1 })) as Trace["steps"];
    const points = countCurve(steps, 3, 200, 50).slice(1).split("L");
    expect(points[0]).toBe("0.0 0.0");
    expect(points.at(-1)).toBe("200.0 50.0");
    expect(countCurve(steps, 5, 200, 50).split("L").at(-1)).toBe("100.0 50.0");
    expect(countCurve([], 0, 200, 50)).toBe("");
    expect(countCurve(steps.slice(0, 1), 1, 200, 50)).toBe("M0.0 25.0");
  });

  test("parts of a trace are joined in order, each step once", () => {
    const part = (...numbers: number[]) => ({ steps: numbers.map((step) => ({ step })) }) as Trace;
    expect(joinSteps(part(1, 2), undefined, part(9), part(2, 3)).map((item) => item.step)).toEqual([
      1, 2, 3, 9,
    ]);
  });
});
