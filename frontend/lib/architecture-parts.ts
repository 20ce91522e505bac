/** The parts of a transformer with their shapes, weights and formulas: what the picture of the block is made of. */

import { inWords, type Shape, windowedLayers } from "./architecture-shape";
import { formatNumber } from "./format";

/** Kinds of parts; the colours of the picture and of the bars. */
export type Component =
  "embedding" | "positions" | "attention" | "cross-attention" | "feed-forward" | "router" | "norms" | "head";

export interface Part {
  id: string;
  title: string;
  component: Component;
  /** "768 × 3,072", or nothing where it has no weights. */
  size: string;
  /** Weights of one of them. */
  count: number;
  /** How often it is there: once for each block, mostly. */
  times: number;
  formula: string;
  about: string;
  source: string;
  /** Settings that shape it. */
  fields: readonly string[];
}

const by = (...sizes: number[]): string => sizes.map((size) => formatNumber(size)).join(" × ");

const SOURCES = {
  attention: "Vaswani et al. 2017, arXiv:1706.03762, section 3.2",
  grouped: "Ainslie et al. 2023, arXiv:2305.13245",
  rope: "Su et al. 2021, arXiv:2104.09864",
  alibi: "Press et al. 2021, arXiv:2108.12409",
  glu: "Shazeer 2020, arXiv:2002.05202",
  gelu: "Hendrycks and Gimpel 2016, arXiv:1606.08415",
  relu2: "So et al. 2021, arXiv:2109.08668",
  rms: "Zhang and Sennrich 2019, arXiv:1910.07467",
  layer: "Ba et al. 2016, arXiv:1607.06450",
  group: "Wu and He 2018, arXiv:1803.08494",
  qk: "Henry et al. 2020, arXiv:2010.04245",
  mixture: "Shazeer et al. 2017, arXiv:1701.06538; Fedus et al. 2021, arXiv:2101.03961",
  tied: "Press and Wolf 2016, arXiv:1608.05859",
  softcap: "Gemma 2, arXiv:2408.00118, section 2",
  yarn: "Peng et al. 2023, arXiv:2309.00071",
  window: "Beltagy et al. 2020, arXiv:2004.05150",
} as const;

const normSource = (shape: Shape): string =>
  shape.norm === "layernorm" ? SOURCES.layer : shape.norm === "groupnorm" ? SOURCES.group : SOURCES.rms;

function normFormula({ norm, normEps }: Shape): string {
  const eps = normEps.toExponential(0).replace("e-", "e−");
  if (norm === "rmsnorm") return `x / √(mean(x²) + ${eps}) · w`;
  if (norm === "rmsnorm_plus_one") return `x / √(mean(x²) + ${eps}) · (1 + w)`;
  return `(x − mean(x)) / √(var(x) + ${eps}) · w + b`;
}

/** Weights of one norm over the width. */
const normWeights = (shape: Shape): number =>
  shape.width * (shape.bias && (shape.norm === "layernorm" || shape.norm === "groupnorm") ? 2 : 1);

function normPart(shape: Shape, id: string, title: string, about: string, times: number): Part {
  const count = normWeights(shape);
  return {
    id,
    title,
    component: "norms",
    size: count === shape.width ? by(shape.width) : `2 × ${by(shape.width)}`,
    count,
    times,
    formula: normFormula(shape),
    about: `${inWords(shape.norm)}. ${about}`,
    source: normSource(shape),
    fields: ["norm", "norm_eps", "norm_placement", ...(shape.norm === "groupnorm" ? ["norm_groups"] : [])],
  };
}

function attentionParts(shape: Shape, prefix: "" | "cross.", times: number): Part[] {
  const { width, heads, kvHeads, headSize } = shape;
  const cross = prefix === "cross.";
  const component: Component = cross ? "cross-attention" : "attention";
  const from = cross ? "the encoder's output" : "the token's vector";
  const queries = heads * headSize;
  const kv = kvHeads * headSize;
  const name = cross ? "Cross-attention: " : "";
  const group = heads / kvHeads;
  const sharing =
    group === 1
      ? "Every head has keys and values of its own (multi-head attention)."
      : kvHeads === 1
        ? `All ${heads} heads share one set of keys and values (multi-query attention).`
        : `${formatNumber(group)} heads share one set of keys and values (grouped-query attention).`;
  const matrix = (id: string, letter: string, title: string, out: number, about: string): Part => ({
    id: `${prefix}${id}`,
    title: `${name}${title}`,
    component,
    size: by(width, out),
    count: width * out + (shape.qkvBias ? out : 0),
    times,
    formula: `${letter} = x · W${letter}${shape.qkvBias ? ` + b${letter}` : ""}`,
    about,
    source: group === 1 || id === "q" ? SOURCES.attention : SOURCES.grouped,
    fields: id === "q" ? ["heads", "head_width", "qkv_bias"] : ["kv_heads", "head_width", "qkv_bias"],
  });
  const parts = [
    matrix("q", "q", "Queries", queries, `What each of the ${formatNumber(heads)} heads looks for.`),
    matrix("k", "k", "Keys", kv, `What a token offers to be found by, made of ${from}. ${sharing}`),
    matrix("v", "v", "Values", kv, `What a token hands over when it is looked at. ${sharing}`),
  ];
  if (shape.qkNorm) {
    parts.push({
      id: `${prefix}qk_norm`,
      title: `${name}Norm of queries and keys`,
      component: "norms",
      size: `2 × ${by(headSize)}`,
      count: 2 * headSize,
      times,
      formula: "q / √(mean(q²) + ε) · w, for each head; k likewise",
      about: "Keeps the scores from growing with the vectors.",
      source: SOURCES.qk,
      fields: ["qk_norm"],
    });
  }
  parts.push(
    {
      id: `${prefix}scores`,
      title: `${name}Scores and mixing`,
      component,
      size: "",
      count: 0,
      times,
      formula: `softmax(${shape.attentionSoftcap ? `${shape.attentionSoftcap} · tanh(q · kᵀ / √${shape.scoreScale} / ${shape.attentionSoftcap})` : `q · kᵀ / √${shape.scoreScale}`}${shape.positions === "alibi" && !cross ? " − slope · distance" : ""}) · v`,
      about: `Each head weighs the tokens that it may see by how well their keys fit its query, and takes the mean of their values. ${sharing}`,
      source: shape.attentionSoftcap ? SOURCES.softcap : SOURCES.attention,
      fields: ["heads", "kv_heads", "query_scalar", "attention_softcap"],
    },
    {
      id: `${prefix}output`,
      title: `${name}Output projection`,
      component,
      size: by(queries, width),
      count: queries * width + (shape.outputBias ? width : 0),
      times,
      formula: `x + [head 1 … head ${formatNumber(heads)}] · Wo${shape.outputBias ? " + bo" : ""}`,
      about: "Puts what the heads found together and adds it to the residual stream.",
      source: SOURCES.attention,
      fields: ["output_bias"],
    },
  );
  return parts;
}

function maskPart(shape: Shape): Part {
  const windowed = windowedLayers(shape);
  const base = { id: "mask", component: "attention", size: "", count: 0, times: shape.layers } as const;
  if (shape.architecture === "encoder") {
    return {
      ...base,
      title: "What a token sees",
      formula: "all tokens, on both sides",
      about: "An encoder reads the whole text at once.",
      source: "Devlin et al. 2018, arXiv:1810.04805",
      fields: ["architecture"],
    };
  }
  return {
    ...base,
    title: "What a token sees",
    formula:
      shape.window === null
        ? "itself and all before it"
        : `itself and the ${formatNumber(shape.window - 1)} before it`,
    about:
      shape.window === null
        ? "The causal mask: no token sees what comes after it, so all of a text is learned from at once."
        : windowed === shape.layers
          ? "A sliding window in every layer: the cache stops growing once the window is full."
          : `A sliding window in ${formatNumber(windowed)} of ${formatNumber(shape.layers)} layers; the others see everything.`,
    source: shape.window === null ? SOURCES.attention : SOURCES.window,
    fields: ["window", "full_attention_layers", "context_length"],
  };
}

const ACTIVATIONS: Record<string, { formula: string; source: string }> = {
  relu: { formula: "max(0, u)", source: SOURCES.attention },
  relu2: { formula: "max(0, u)²", source: SOURCES.relu2 },
  gelu: { formula: "u · Φ(u)", source: SOURCES.gelu },
  gelu_tanh: { formula: "½ u (1 + tanh(√(2/π) (u + 0.044715 u³)))", source: SOURCES.gelu },
  swiglu: { formula: "g · sigmoid(g) · u", source: SOURCES.glu },
  geglu: { formula: "g · Φ(g) · u", source: SOURCES.glu },
  geglu_tanh: { formula: "gelu_tanh(g) · u", source: SOURCES.glu },
};

function feedForwardParts(shape: Shape, times: number): Part[] {
  const { width, hidden, gated, experts } = shape;
  const of = experts ?? 1;
  const bias = shape.bias && !experts;
  const each = experts ? `, ${formatNumber(experts)} experts` : "";
  const inner = (id: string, title: string, formula: string, about: string): Part => ({
    id,
    title,
    component: "feed-forward",
    size: by(width, hidden) + each,
    count: of * (width * hidden + (bias ? hidden : 0)),
    times,
    formula,
    about,
    source: gated ? SOURCES.glu : SOURCES.attention,
    fields: ["ffn_width", "activation", ...(experts ? ["experts"] : ["bias"])],
  });
  const kind = ACTIVATIONS[shape.activation] ?? { formula: shape.activation, source: "" };
  const parts: Part[] = [];
  if (experts) {
    parts.push({
      id: "router",
      title: "Router",
      component: "router",
      size: by(width, experts),
      count: width * experts,
      times,
      formula: `softmax(x · Wr), the best ${shape.expertsPerToken} of ${formatNumber(experts)}`,
      about: "Chooses for every token which experts work on it; the others rest.",
      source: SOURCES.mixture,
      fields: ["experts", "experts_per_token", "expert_balance"],
    });
  }
  if (gated)
    parts.push(
      inner(
        "gate",
        "Gate",
        `g = x · Wg${bias ? " + bg" : ""}`,
        "Decides how much of each hidden number passes.",
      ),
    );
  parts.push(
    inner("up", "Up", `u = x · Wu${bias ? " + bu" : ""}`, "Spreads the vector out into the hidden width."),
    {
      id: "activation",
      title: "Activation",
      component: "feed-forward",
      size: "",
      count: 0,
      times,
      formula: kind.formula,
      about: `${inWords(shape.activation)}. Without it the two matrices would be one.`,
      source: kind.source,
      fields: ["activation"],
    },
    {
      id: "down",
      title: "Down",
      component: "feed-forward",
      size: by(hidden, width) + each,
      count: of * (hidden * width + (bias ? width : 0)),
      times,
      formula: `x + h · Wd${bias ? " + bd" : ""}`,
      about: experts
        ? "Brings the hidden numbers back to the width; the chosen experts' results are weighed and summed."
        : "Brings the hidden numbers back to the width and adds them to the residual stream.",
      source: experts ? SOURCES.mixture : SOURCES.attention,
      fields: ["ffn_width", ...(experts ? ["experts"] : ["bias"])],
    },
  );
  return parts;
}

function positionPart(shape: Shape): Part | null {
  const base = { id: "positions", component: "positions", count: 0, times: 1, size: "" } as const;
  if (shape.positions === "learned") {
    return {
      ...base,
      title: "Learned positions",
      size: by(shape.context, shape.width),
      count: shape.context * shape.width,
      formula: "x + P[position]",
      about: "A vector for every place, learned; there is none beyond the context.",
      source: "Radford et al. 2018 (GPT)",
      fields: ["positions", "context_length"],
    };
  }
  if (shape.positions === "sinusoidal") {
    return {
      ...base,
      title: "Sinusoidal positions",
      formula: "P[p, 2i] = sin(p / 10000^(2i/C)), P[p, 2i+1] = cos(…)",
      about: "Waves of many lengths tell the place; nothing is learned.",
      source: "Vaswani et al. 2017, arXiv:1706.03762, section 3.5",
      fields: ["positions"],
    };
  }
  if (shape.positions === "rope") {
    const scaling = shape.ropeScaling;
    return {
      ...base,
      title: "Rotary positions",
      times: shape.layers,
      formula: `(q₂ᵢ, q₂ᵢ₊₁) turned by position · ${formatNumber(shape.ropeTheta)}^(−2i/${Math.round(shape.headSize * shape.ropeShare)}); k likewise`,
      about: `Queries and keys are turned, pair by pair, so that their product tells only the distance${shape.ropeShare < 1 ? `; ${Math.round(100 * shape.ropeShare)}% of each head is turned` : ""}.${scaling ? ` Stretched ${scaling.factor} times (${inWords(scaling.type)}).` : ""}${shape.ropeThetaLocal ? ` Layers with a window use base ${formatNumber(shape.ropeThetaLocal)}.` : ""}`,
      source: scaling ? `${SOURCES.rope}; ${SOURCES.yarn}` : SOURCES.rope,
      fields: ["positions", "rope_theta", "rope_share", "rope_scaling"],
    };
  }
  if (shape.positions === "alibi") {
    return {
      ...base,
      title: "ALiBi",
      times: shape.layers,
      formula: "score − slope(head) · distance",
      about: "Every head fades with distance, each at a rate of its own; nothing is learned.",
      source: SOURCES.alibi,
      fields: ["positions"],
    };
  }
  return null;
}

/** All parts in the order of computation. Their weights add up to the model's. */
export function partsOf(shape: Shape): Part[] {
  const { width, vocab, layers } = shape;
  const parts: Part[] = [
    {
      id: "embedding",
      title: "Token embedding",
      component: "embedding",
      size: by(vocab, width),
      count: vocab * width,
      times: 1,
      formula: shape.embeddingScale ? `x = E[id] · √${formatNumber(width)}` : "x = E[id]",
      about: "A vector for every token of the vocabulary; an id picks its row.",
      source: SOURCES.attention,
      fields: ["vocab_size", "width", "embedding_scale"],
    },
  ];
  if (shape.segments) {
    parts.push({
      id: "segments",
      title: "Segment embedding",
      component: "embedding",
      size: by(shape.segments, width),
      count: shape.segments * width,
      times: 1,
      formula: "x + S[segment]",
      about: "Tells apart the texts that are read together.",
      source: "Devlin et al. 2018, arXiv:1810.04805",
      fields: ["segments"],
    });
  }
  const positions = positionPart(shape);
  if (positions) parts.push(positions);
  if (shape.embeddingNorm)
    parts.push(normPart(shape, "embedding_norm", "Norm of the embeddings", "Before the first block.", 1));

  const pair = shape.architecture === "encoder-decoder";
  if (pair) parts.push(encoderPart(shape));
  const depth = shape.architecture === "encoder" ? shape.encoderLayers : layers;
  const around = shape.placement === "sandwich";
  const where =
    shape.placement === "post"
      ? "After the sum."
      : "Before the part reads the residual stream, which itself stays as it is.";
  const behind = "Of what the part found, before it is added.";
  parts.push(normPart(shape, "attention_norm", "Norm of attention", where, depth));
  parts.push(...attentionParts(shape, "", depth), maskPart(shape));
  if (around) parts.push(normPart(shape, "attention_post_norm", "Norm behind attention", behind, depth));
  if (pair) {
    parts.push(normPart(shape, "cross.norm", "Norm of cross-attention", where, depth));
    parts.push(...attentionParts(shape, "cross.", depth));
    if (around) parts.push(normPart(shape, "cross.post_norm", "Norm behind cross-attention", behind, depth));
  }
  parts.push(normPart(shape, "ffn_norm", "Norm of feed-forward", where, depth));
  parts.push(...feedForwardParts(shape, depth));
  if (around) parts.push(normPart(shape, "ffn_post_norm", "Norm behind feed-forward", behind, depth));

  if (shape.placement !== "post")
    parts.push(normPart(shape, "final_norm", "Final norm", "Before the head reads the stream.", 1));
  parts.push(...headParts(shape));
  return parts;
}

/** The encoder of an encoder-decoder as one: the same parts as the decoder's, without a mask. */
function encoderPart(shape: Shape): Part {
  const times = shape.encoderLayers;
  const norm = normWeights(shape);
  const block = totalOf([...attentionParts(shape, "", 1), ...feedForwardParts(shape, 1)]);
  const norms = norm * (shape.placement === "sandwich" ? 4 : 2);
  const last = shape.placement === "post" ? 0 : norm;
  return {
    id: "encoder",
    title: "Encoder",
    component: "attention",
    size: `${formatNumber(times)} blocks`,
    count: times * (block + norms) + last,
    times: 1,
    formula: "the blocks below without mask and cross-attention",
    about: "Reads the source text on both sides; cross-attention looks at what comes out.",
    source: SOURCES.attention,
    fields: ["architecture", "encoder_layers"],
  };
}

function headParts(shape: Shape): Part[] {
  const { width, vocab } = shape;
  const parts: Part[] = [];
  if (shape.headTransform) {
    const norm = normWeights(shape);
    parts.push({
      id: "head_transform",
      title: "Head's own layer",
      component: "head",
      size: by(width, width),
      count: width * width + (shape.bias ? width : 0) + norm,
      times: 1,
      formula: "norm(activation(x · W + b))",
      about: "One more layer before the vocabulary is scored.",
      source: "Devlin et al. 2018, arXiv:1810.04805",
      fields: ["head_transform"],
    });
  }
  const cap = shape.logitSoftcap;
  const product = `x · ${shape.tied ? "Eᵀ" : "W"}${shape.headBias ? " + b" : ""}`;
  parts.push({
    id: "head",
    title: "Head",
    component: "head",
    size: by(width, vocab),
    count: (shape.tied ? 0 : width * vocab) + (shape.headBias ? vocab : 0),
    times: 1,
    formula: cap ? `${cap} · tanh(${product} / ${cap})` : `logits = ${product}`,
    about: shape.tied
      ? "Scores every token of the vocabulary. It is the embedding once more: shared, and counted once."
      : "Scores every token of the vocabulary, with a matrix of its own.",
    source: shape.tied ? SOURCES.tied : SOURCES.attention,
    fields: ["tied_embeddings", "head_bias", "logit_softcap"],
  });
  return parts;
}

/** Weights of all parts. */
export const totalOf = (parts: readonly Part[]): number =>
  parts.reduce((sum, part) => sum + part.count * part.times, 0);
