/** A configuration as numbers that can be drawn: what is left open is worked out as the model does it. */

import type { Config } from "./architecture-types";

export interface Shape {
  architecture: "decoder" | "encoder" | "encoder-decoder";
  vocab: number;
  context: number;
  width: number;
  layers: number;
  /** Blocks of the encoder, 0 for a decoder alone. */
  encoderLayers: number;
  positions: "learned" | "sinusoidal" | "rope" | "alibi" | "none";
  ropeTheta: number;
  ropeThetaLocal: number | null;
  ropeShare: number;
  ropeScaling: { type: string; factor: number } | null;
  heads: number;
  kvHeads: number;
  headSize: number;
  window: number | null;
  fullLayers: ReadonlySet<number>;
  qkNorm: boolean;
  qkvBias: boolean;
  outputBias: boolean;
  attentionSoftcap: number | null;
  scoreScale: number;
  activation: string;
  gated: boolean;
  hidden: number;
  experts: number | null;
  expertsPerToken: number;
  norm: string;
  normEps: number;
  placement: "pre" | "post" | "sandwich";
  parallel: boolean;
  tied: boolean;
  embeddingScale: boolean;
  embeddingNorm: boolean;
  segments: number;
  headTransform: boolean;
  headBias: boolean;
  logitSoftcap: number | null;
  bias: boolean;
}

const GATED = ["swiglu", "geglu", "geglu_tanh"];
const whole = (value: unknown): value is number =>
  typeof value === "number" && Number.isInteger(value) && value > 0;
const numberOr = <T>(value: unknown, fallback: T): number | T =>
  typeof value === "number" ? value : fallback;

/** Hidden size of the feed-forward part where none is given: 4 x width, gated 8/3 x width up to 32. */
export const hiddenOf = (width: number, gated: boolean): number =>
  gated ? Math.ceil((8 * width) / 3 / 32) * 32 : 4 * width;

/** The shape of a whole configuration; null where sizes are missing or do not go together. */
export function shapeOf(config: Config): Shape | null {
  const { vocab_size, context_length, width, layers, heads } = config;
  if (!whole(vocab_size) || !whole(context_length) || !whole(width) || !whole(layers) || !whole(heads))
    return null;
  const kvHeads = numberOr(config.kv_heads, heads);
  const headSize = numberOr(config.head_width, width / heads);
  if (!whole(kvHeads) || !whole(headSize) || heads % kvHeads) return null;
  const activation = String(config.activation);
  const gated = GATED.includes(activation);
  const hidden = numberOr(config.ffn_width, hiddenOf(width, gated));
  if (!whole(hidden)) return null;
  const architecture = (config.architecture ?? "decoder") as Shape["architecture"];
  const experts = numberOr(config.experts, null);
  const scaling = config.rope_scaling as { type?: unknown; factor?: unknown } | null | undefined;
  const full = Array.isArray(config.full_attention_layers) ? (config.full_attention_layers as number[]) : [];
  return {
    architecture,
    vocab: vocab_size,
    context: context_length,
    width,
    layers,
    encoderLayers: architecture === "decoder" ? 0 : numberOr(config.encoder_layers, layers),
    positions: (config.positions ?? "rope") as Shape["positions"],
    ropeTheta: numberOr(config.rope_theta, 10_000),
    ropeThetaLocal: numberOr(config.rope_theta_local, null),
    ropeShare: numberOr(config.rope_share, 1),
    ropeScaling: scaling ? { type: String(scaling.type), factor: numberOr(scaling.factor, 1) } : null,
    heads,
    kvHeads,
    headSize,
    window: numberOr(config.window, null),
    fullLayers: new Set(full),
    qkNorm: config.qk_norm === true,
    qkvBias: (config.qkv_bias ?? config.bias) === true,
    outputBias: (config.output_bias ?? config.bias) === true,
    attentionSoftcap: numberOr(config.attention_softcap, null),
    scoreScale: numberOr(config.query_scalar, headSize),
    activation,
    gated,
    hidden,
    experts,
    expertsPerToken: numberOr(config.experts_per_token, 2),
    norm: String(config.norm),
    normEps: numberOr(config.norm_eps, 1e-5),
    placement: (config.norm_placement ?? "pre") as Shape["placement"],
    parallel: config.parallel === true,
    tied: config.tied_embeddings !== false,
    embeddingScale: config.embedding_scale === true,
    embeddingNorm: config.embedding_norm === true,
    segments: numberOr(config.segments, 0),
    headTransform: config.head_transform === true,
    headBias: config.head_bias === true,
    logitSoftcap: numberOr(config.logit_softcap, null),
    bias: config.bias === true,
  };
}

/** How many tokens a query of a layer sees; null for all. */
export const windowOf = (shape: Shape, layer: number): number | null =>
  shape.window === null || shape.fullLayers.has(layer) ? null : shape.window;

/** Layers in which a query sees only so many tokens. */
export function windowedLayers(shape: Shape): number {
  if (shape.window === null) return 0;
  return shape.layers - [...shape.fullLayers].filter((layer) => layer < shape.layers).length;
}

/** What an empty field of the form comes to. */
export function resolvedFields(config: Config): Record<string, string> {
  const { width, heads, layers, bias } = config;
  const found: Record<string, string> = {};
  const yes = (value: unknown) => (value === true ? "yes" : "no");
  if (whole(width) && whole(heads) && width % heads === 0) found.head_width = String(width / heads);
  if (whole(heads)) found.kv_heads = String(heads);
  if (whole(width))
    found.ffn_width = hiddenOf(width, GATED.includes(String(config.activation))).toLocaleString("en-US");
  if (whole(layers) && config.architecture === "encoder-decoder") found.encoder_layers = String(layers);
  const size = numberOr(config.head_width, Number(found.head_width));
  if (Number.isFinite(size)) found.query_scalar = String(size);
  found.qkv_bias = yes(bias);
  found.output_bias = yes(bias);
  if (config.window && config.positions === "rope") found.rope_theta_local = String(config.rope_theta);
  return found;
}

/** Fields that change nothing as the others stand, with the reason. */
export function idleFields(config: Config): Record<string, string> {
  const idle: Record<string, string> = {};
  const say = (names: readonly string[], reason: string) => names.forEach((name) => (idle[name] = reason));
  if (config.positions !== "rope")
    say(["rope_theta", "rope_theta_local", "rope_share", "rope_scaling"], "Only with rotary positions.");
  else if (config.window === null) say(["rope_theta_local"], "Only with a window.");
  if (config.window === null) say(["full_attention_layers"], "Only with a window.");
  if (config.experts === null) say(["experts_per_token", "expert_balance"], "Only with experts.");
  if (config.norm !== "groupnorm") say(["norm_groups"], "Only with GroupNorm.");
  if (config.architecture !== "encoder-decoder") say(["encoder_layers"], "Only for an encoder-decoder.");
  return idle;
}

/** The options in words. */
export const WORDS: Readonly<Record<string, string>> = {
  decoder: "Decoder",
  encoder: "Encoder",
  "encoder-decoder": "Encoder-decoder",
  learned: "Learned",
  sinusoidal: "Sinusoidal",
  rope: "Rotary (RoPE)",
  alibi: "ALiBi",
  none: "None",
  linear: "Linear",
  dynamic: "Dynamic (NTK)",
  yarn: "YaRN",
  llama3: "Llama 3",
  relu: "ReLU",
  relu2: "ReLU²",
  gelu: "GELU",
  gelu_tanh: "GELU (tanh)",
  swiglu: "SwiGLU",
  geglu: "GeGLU",
  geglu_tanh: "GeGLU (tanh)",
  layernorm: "LayerNorm",
  rmsnorm: "RMSNorm",
  rmsnorm_plus_one: "RMSNorm (1 + w)",
  groupnorm: "GroupNorm",
  pre: "Before",
  post: "After the sum",
  sandwich: "Around",
};
export const inWords = (option: string): string => WORDS[option] ?? option;
