import type { Schema } from "@/components/config-form/schema";
import { partsOf, totalOf } from "@/lib/architecture-parts";
import { shapeOf } from "@/lib/architecture-shape";
import type { Analysis, Comparison, Config, PresetInfo } from "@/lib/architecture-types";

import { answer, type Asked } from "./server";

export const BASE = "/api/v1/transformer";

/** A schema as Pydantic writes it, with one field of each kind. */
export const SCHEMA: Schema = {
  type: "object",
  $defs: {
    RopeScaling: {
      type: "object",
      properties: {
        type: { type: "string", enum: ["linear", "yarn"], description: "Kind of scaling." },
        factor: { type: "number", minimum: 1, description: "How many times further." },
        original_context: { anyOf: [{ type: "integer", minimum: 2 }, { type: "null" }], default: null },
      },
      required: ["type", "factor"],
    },
  },
  properties: {
    vocab_size: { type: "integer", minimum: 2, default: 1024, group: "Size", description: "Token ids." },
    context_length: { type: "integer", minimum: 2, maximum: 1_048_576, default: 128, group: "Size" },
    width: { type: "integer", minimum: 2, maximum: 65_536, default: 128, group: "Size" },
    layers: { type: "integer", minimum: 1, default: 4, group: "Size" },
    positions: { enum: ["learned", "rope", "none"], type: "string", default: "rope", group: "Positions" },
    rope_scaling: {
      anyOf: [{ $ref: "#/$defs/RopeScaling" }, { type: "null" }],
      default: null,
      group: "Positions",
      description: "Further than trained.",
    },
    heads: { type: "integer", minimum: 1, default: 4, group: "Attention" },
    kv_heads: {
      anyOf: [{ type: "integer", minimum: 1 }, { type: "null" }],
      default: null,
      group: "Attention",
    },
    window: { anyOf: [{ type: "integer", minimum: 1 }, { type: "null" }], default: null, group: "Attention" },
    full_attention_layers: {
      type: "array",
      items: { type: "integer" },
      default: [],
      group: "Attention",
    },
    qkv_bias: { anyOf: [{ type: "boolean" }, { type: "null" }], default: null, group: "Attention" },
    activation: { enum: ["gelu_tanh", "swiglu"], type: "string", default: "swiglu", group: "Feed-forward" },
    norm: { enum: ["layernorm", "rmsnorm"], type: "string", default: "rmsnorm", group: "Normalization" },
    norm_eps: { type: "number", exclusiveMinimum: 0, maximum: 0.01, default: 1e-5, group: "Normalization" },
    tied_embeddings: { type: "boolean", default: true, group: "Embeddings and head" },
    bias: { type: "boolean", default: false, group: "Training" },
  },
};

export const GPT2: Config = {
  vocab_size: 50_257,
  context_length: 1024,
  width: 768,
  layers: 12,
  heads: 12,
  positions: "learned",
  norm: "layernorm",
  activation: "gelu_tanh",
  bias: true,
};
export const LLAMA3: Config = {
  vocab_size: 128_256,
  context_length: 8192,
  width: 4096,
  layers: 32,
  heads: 32,
  kv_heads: 8,
  ffn_width: 14_336,
  tied_embeddings: false,
  positions: "rope",
  norm: "rmsnorm",
  activation: "swiglu",
};

const aPreset = (name: string, title: string, config: Config, parameters: number): PresetInfo => ({
  name,
  aliases: name === "gpt2-small" ? ["gpt2"] : [],
  title,
  about: `${title}, as published.`,
  family: "gpt2",
  config,
  parameters,
  runnable: true,
  needs_bytes: 1e9,
  why_not: null,
});
export const PRESETS = [
  aPreset("gpt2-small", "GPT-2 small", GPT2, 124_439_808),
  aPreset("llama-3-8b", "Llama 3 8B", LLAMA3, 8_030_261_248),
  aPreset("smollm2-135m", "SmolLM2 135M", { ...GPT2, width: 576, heads: 9 }, 134_515_008),
];

const DEFAULTS: Config = Object.fromEntries(
  Object.entries(SCHEMA.properties ?? {}).map(([name, field]) => [name, field.default]),
);

/** What the program answers for a configuration: real totals, other figures plain. */
export function analysisOf(given: Config, context?: number): Analysis {
  const config = { ...DEFAULTS, ...given };
  const shape = shapeOf(config)!;
  const total = totalOf(partsOf(shape));
  const at = context ?? shape.context;
  const perToken = 2 * shape.layers * shape.kvHeads * shape.headSize * 2;
  return {
    config,
    family: "gpt2",
    hf_type: "gpt2",
    hf_config: { model_type: "gpt2", n_embd: shape.width },
    parameters: {
      total,
      trainable: total,
      by_component: [
        { component: "embedding", count: shape.vocab * shape.width, share: 0.3 },
        { component: "attention", count: total - shape.vocab * shape.width, share: 0.7 },
      ],
      by_layer: [],
    },
    flops: {
      per_token_forward: 2 * total + at,
      per_token_training: 6 * total + 3 * at,
      by_component: [
        { component: "attention projections", forward: 2 * total },
        { component: "attention scores", forward: at },
      ],
    },
    memory: {
      weights: 2 * total,
      gradients: 2 * total,
      optimizer: 8 * total,
      activations: 1000,
      logits: 500,
      total_training: 12 * total + 1500,
      inference: 2 * total + perToken * at,
      kv_cache_per_token: perToken,
      kv_cache_at_context: perToken * at,
    },
    kv_curve: [1, 16, at].map((size) => ({ context: size, bytes: perToken * size })),
    budget: {
      tokens: 20 * total,
      chinchilla_tokens: 20 * total,
      training_flops: 120 * total * total,
      seconds: null,
      cost: null,
      currency: "USD",
      energy_kwh: null,
      device: null,
      predicted_loss: 3.2,
      loss_curve: [
        { tokens: total, loss: 4.1, loss_replication: 4 },
        { tokens: 20 * total, loss: 3.2, loss_replication: 3.1 },
        { tokens: 400 * total, loss: 2.9, loss_replication: 2.8 },
      ],
    },
    notes: ["A guide, not a promise."],
    formulas: [{ name: "KV cache", formula: "2 · L · G · D", source: "Ainslie et al. 2023" }],
  } as unknown as Analysis;
}

const configOf = (part: { model?: string; config?: Config }): Config =>
  part.config ?? PRESETS.find((preset) => `preset:${preset.name}` === part.model)?.config ?? {};

/** The program's answer to POST /analyze: heads that do not divide the width are refused in its words. */
export function analyze({ body }: Asked): unknown {
  const { context, ...part } = body as { context?: number; model?: string; config?: Config };
  const config = { ...DEFAULTS, ...configOf(part) };
  const [width, heads] = [Number(config.width), Number(config.heads)];
  if (width % heads) {
    const message = `heads (${heads}) must divide the width (${width}), or head_width must be set`;
    return answer(422, { error: { message, field: null, problems: [{ field: "config", message }] } });
  }
  return analysisOf(config, context);
}

export function compare({ body }: Asked): Comparison {
  const asked = body as {
    architectures: { label: string; model?: string; config?: Config }[];
    context?: number;
  };
  const items = asked.architectures.map((one) => ({
    label: one.label,
    analysis: analysisOf(configOf(one), asked.context),
  }));
  const names = Object.keys(SCHEMA.properties ?? {});
  return {
    items,
    fields: names.map((field) => {
      const values = items.map((item) => item.analysis.config[field] ?? null);
      return {
        field,
        group: SCHEMA.properties![field]!.group!,
        values,
        differs: new Set(values.map((value) => JSON.stringify(value))).size > 1,
      };
    }),
    deltas: ["embedding", "attention"].map((component) => ({
      component,
      parameters: items.map(
        (item) => item.analysis.parameters.by_component.find((one) => one.component === component)!.count,
      ),
      share: items.map(() => 0.5),
    })),
    kv_curves: items.map((item) => ({ label: item.label, points: item.analysis.kv_curve })),
  } as unknown as Comparison;
}

const aDevice = (name: string, title: string, memory: number) => ({
  name,
  title,
  kind: "gpu",
  memory_bytes: memory,
  flops: { float32: 1e13 },
  bandwidth: 1e12,
  watts: 700,
  price_per_hour: 2.5,
  as_of: "2026-11-01",
  source: "list",
  note: "",
});

export const ROUTES: Record<string, unknown> = {
  [`GET ${BASE}/schema`]: SCHEMA,
  [`GET ${BASE}/presets`]: { presets: PRESETS },
  [`GET ${BASE}/models`]: { models: [] },
  [`GET ${BASE}/devices`]: {
    as_of: "2026-11-01",
    this: aDevice("this", "Small processor", 4e9),
    currency: "USD",
    note: "",
    devices: [aDevice("h100", "H100 80 GB", 80e9)],
  },
  [`POST ${BASE}/analyze`]: analyze,
  [`POST ${BASE}/compare`]: compare,
};
