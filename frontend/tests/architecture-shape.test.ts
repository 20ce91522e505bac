import { draw } from "@/lib/architecture-drawing";
import { partsOf, totalOf } from "@/lib/architecture-parts";
import {
  hiddenOf,
  idleFields,
  resolvedFields,
  shapeOf,
  windowedLayers,
  windowOf,
} from "@/lib/architecture-shape";
import type { Config } from "@/lib/architecture-types";

import { GPT2, LLAMA3 } from "./architecture-program";

const GEMMA_270M: Config = {
  vocab_size: 262_144,
  context_length: 32_768,
  width: 640,
  layers: 18,
  heads: 4,
  kv_heads: 1,
  head_width: 256,
  ffn_width: 2048,
  positions: "rope",
  norm: "rmsnorm_plus_one",
  activation: "geglu_tanh",
  norm_placement: "sandwich",
  qk_norm: true,
  window: 512,
  full_attention_layers: [5, 11, 17],
};
const QWEN25: Config = {
  vocab_size: 151_936,
  context_length: 32_768,
  width: 896,
  layers: 24,
  heads: 14,
  kv_heads: 2,
  ffn_width: 4864,
  positions: "rope",
  norm: "rmsnorm",
  activation: "swiglu",
  qkv_bias: true,
};
const BERT: Config = {
  architecture: "encoder",
  vocab_size: 30_522,
  context_length: 512,
  width: 768,
  layers: 12,
  heads: 12,
  positions: "learned",
  norm: "layernorm",
  activation: "gelu",
  norm_placement: "post",
  bias: true,
  embedding_norm: true,
  segments: 2,
  head_transform: true,
  head_bias: true,
};
const MIXTURE: Config = { ...LLAMA3, width: 64, heads: 4, kv_heads: 2, ffn_width: 96, experts: 4, layers: 2 };
const PAIR: Config = { ...GPT2, architecture: "encoder-decoder", layers: 2, encoder_layers: 3 };

describe("parts", () => {
  // Totals as the models' authors publish them.
  test.each([
    ["GPT-2 small", GPT2, 124_439_808],
    ["Llama 3 8B", LLAMA3, 8_030_261_248],
    ["Gemma 3 270M", GEMMA_270M, 268_098_176],
    ["Qwen 2.5 0.5B", QWEN25, 494_032_768],
    ["BERT base with its masked head", BERT, 109_514_298],
  ])("the weights of %s add up to what is published", (_, config, total) => {
    expect(totalOf(partsOf(shapeOf(config)!))).toBe(total);
  });

  test("a mixture has all its experts and a router", () => {
    const [c, f, e] = [64, 96, 4];
    const parts = partsOf(shapeOf(MIXTURE)!);
    const sum = (component: string) => totalOf(parts.filter((part) => part.component === component));
    expect(sum("feed-forward")).toBe(2 * e * 3 * c * f);
    expect(sum("router")).toBe(2 * e * c);
  });

  test("every part has a name of its own, words, and settings that shape it", () => {
    for (const config of [GPT2, LLAMA3, GEMMA_270M, BERT, MIXTURE, PAIR]) {
      const parts = partsOf(shapeOf(config)!);
      expect(new Set(parts.map((part) => part.id)).size).toBe(parts.length);
      for (const part of parts) {
        expect(part.about).toMatch(/\.$/);
        expect(part.fields.length).toBeGreaterThan(0);
      }
    }
  });
});

describe("the shape of a configuration", () => {
  test("what is left open is worked out as the model does it", () => {
    expect(hiddenOf(128, true)).toBe(352);
    expect(shapeOf({ ...GPT2, bias: false })).toMatchObject({ hidden: 3072, headSize: 64, kvHeads: 12 });
    expect(shapeOf({ ...GPT2, qkv_bias: false })).toMatchObject({ qkvBias: false, outputBias: true });
  });

  test("sizes that do not go together have none", () => {
    expect(shapeOf({ ...GPT2, heads: 7 })).toBeNull();
    expect(shapeOf({ ...GPT2, kv_heads: 5 })).toBeNull();
    expect(shapeOf({ ...GPT2, width: 0 })).toBeNull();
    expect(shapeOf({ ...GPT2, heads: 7, head_width: 64 })).not.toBeNull();
  });

  test("layers without a window are told from those with one", () => {
    const shape = shapeOf(GEMMA_270M)!;
    expect(windowedLayers(shape)).toBe(15);
    expect([windowOf(shape, 4), windowOf(shape, 5)]).toEqual([512, null]);
  });

  test("empty fields say what they come to, idle ones why", () => {
    expect(resolvedFields(GPT2)).toMatchObject({ head_width: "64", kv_heads: "12", ffn_width: "3,072" });
    expect(idleFields({ positions: "learned", window: null, experts: null })).toMatchObject({
      rope_theta: "Only with rotary positions.",
      experts_per_token: "Only with experts.",
    });
  });
});

describe("the drawing", () => {
  const box = (config: Config, part: string, width = 500) =>
    draw(shapeOf(config)!, width).boxes.find((item) => item.part === part)!;

  test.each([326, 500, 700])("areas are weights, at %i pixels", (width) => {
    for (const config of [GPT2, LLAMA3, GEMMA_270M, QWEN25]) {
      const shape = shapeOf(config)!;
      const { boxes, unit } = draw(shape, width);
      for (const [part, weights] of [
        ["q", shape.width * shape.heads * shape.headSize],
        ["k", shape.width * shape.kvHeads * shape.headSize],
        ["up", shape.width * shape.hidden],
        ["down", shape.width * shape.hidden],
      ] as const) {
        const { w, h, torn } = boxes.find((item) => item.part === part)!;
        expect(torn ?? false).toBe(false);
        if (w > 3) expect((w * h) / unit ** 2 / weights).toBeCloseTo(1, 6);
      }
    }
  });

  test.each([GPT2, LLAMA3, GEMMA_270M, QWEN25, BERT, MIXTURE, PAIR])(
    "nothing stands outside, %#",
    (config) => {
      for (const width of [300, 326, 500, 900]) {
        const { boxes, bars, heads, glyphs, height } = draw(shapeOf(config)!, width);
        for (const item of [...boxes, ...bars, ...heads]) {
          expect(item.x).toBeGreaterThanOrEqual(0);
          expect(item.x + item.w).toBeLessThanOrEqual(width);
          expect(item.y + item.h).toBeLessThanOrEqual(height);
        }
        for (const glyph of glyphs) expect(glyph.x + glyph.size / 2).toBeLessThanOrEqual(width);
      }
    },
  );

  test("what is too wide is torn, a shared head is a ghost, a second norm stands behind", () => {
    expect(box(GPT2, "embedding").torn).toBe(true);
    expect(box(GPT2, "head").ghost).toBe(true);
    expect(box(LLAMA3, "head").ghost).toBe(false);
    const bars = (config: Config) => draw(shapeOf(config)!, 500).bars.map((bar) => bar.part);
    expect(bars(GPT2)).toEqual(["attention_norm", "ffn_norm", "final_norm"]);
    expect(bars(GEMMA_270M)).toContain("attention_post_norm");
    expect(bars(BERT)).not.toContain("final_norm");
  });

  test("extreme shapes are still drawn", () => {
    const wild = { ...GPT2, heads: 64, head_width: 512, ffn_width: 400_000, layers: 1000 };
    const { boxes, height } = draw(shapeOf(wild)!, 326);
    expect(boxes.find((item) => item.part === "up")!.torn).toBe(true);
    expect(boxes.every((item) => Number.isFinite(item.w) && item.x + item.w <= 326)).toBe(true);
    expect(height).toBeLessThan(1400);
  });

  test("every box is a part that can be opened", () => {
    for (const config of [GPT2, LLAMA3, GEMMA_270M, BERT, MIXTURE, PAIR]) {
      const shape = shapeOf(config)!;
      const known = new Set(partsOf(shape).map((part) => part.id));
      const { boxes, bars, heads, glyphs } = draw(shape, 500);
      for (const item of [...boxes, ...bars, ...heads, ...glyphs]) expect(known).toContain(item.part);
    }
  });
});
