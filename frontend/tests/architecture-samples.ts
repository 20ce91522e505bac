import type {
  AttentionReport,
  Explanation,
  HeadPattern,
  LabModel,
  Trace,
  TraceStep,
} from "@/lib/architecture-types";

/** Answers of the transformer part with ordinary values; a test names only what it is about. */
export const aLabModel = (changes: Partial<LabModel> = {}): LabModel => ({
  ref: "example",
  name: "Willowbrook example",
  random: false,
  builtin: true,
  architecture: "decoder",
  layers: 2,
  heads: 2,
  kv_heads: 2,
  width: 8,
  parameters: 935_040,
  context_length: 128,
  vocab_size: 1024,
  tokenizer: "example",
  runnable: true,
  why_not: null,
  ...changes,
});

export const aRandomModel = (changes: Partial<LabModel> = {}): LabModel =>
  aLabModel({
    ref: "preset:gpt2-small",
    name: "GPT-2 small",
    random: true,
    builtin: false,
    parameters: 124_439_808,
    ...changes,
  });

export const WORDS = ["Mia", " has", " a", " dog"];
const tokensOf = (words: readonly string[]) => {
  let at = 0;
  return words.map((text, index) => {
    const start = at;
    at += text.length;
    return { id: 10 + index, text, start, end: at };
  });
};

export const aPattern = (layer: number, head: number, changes: Partial<HeadPattern> = {}): HeadPattern => ({
  layer,
  head,
  label: "mixed",
  score: 0.2,
  scores: { previous_token: 0.1, previous_token_without_first: 0.3, first_token: 0.2 },
  measured_on: "the text, 4 tokens",
  strength: 0.2,
  labels: [],
  offsets: [0.1, 0.2],
  ...changes,
});

/** Two layers of two heads over four tokens. */
export const anAttention = (changes: Partial<AttentionReport> = {}): AttentionReport => ({
  model: "example",
  random: false,
  tokenizer: "example",
  tokens: tokensOf(WORDS),
  layers: 2,
  heads: 2,
  patterns: [
    aPattern(0, 0, { label: "first_token", score: 0.9 }),
    aPattern(0, 1),
    aPattern(1, 0, {
      label: "previous_token",
      score: 0.8,
      scores: { previous_token: 0.8, previous_token_without_first: 0.85, first_token: 0.05 },
    }),
    aPattern(1, 1, { label: "first_token", score: 0.7 }),
  ],
  definitions: [
    {
      name: "previous_token",
      title: "Previous token",
      measured_on: "text",
      threshold: 0.4,
      formula: "mean of A[i, i - 1]",
      source: "Voita et al. 2019",
      false_positives: "At most 0.1% of heads.",
    },
  ],
  induction_probe: { tokens: 32, seed: 0 },
  ...changes,
});

/** The bits of a number of 16 bits; exact for the plain fractions that tests use. */
function half(value: number): number {
  if (value === 0) return 0;
  const exponent = Math.floor(Math.log2(Math.abs(value)));
  const fraction = Math.round((Math.abs(value) / 2 ** exponent - 1) * 1024);
  return (value < 0 ? 0x8000 : 0) | ((exponent + 15) << 10) | fraction;
}

export function halvesAnswer(
  shape: [number, number],
  value: (row: number, column: number) => number,
): Response {
  const [rows, columns] = shape;
  const bytes = new DataView(new ArrayBuffer(2 * rows * columns));
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      bytes.setUint16(2 * (row * columns + column), half(value(row, column)), true);
    }
  }
  return new Response(bytes.buffer, {
    headers: { "content-type": "application/octet-stream", "x-shape": shape.join(",") },
  });
}

export const bytesAnswer = (shape: readonly number[]): Response =>
  new Response(new Uint8Array(shape.reduce((product, size) => product * size, 1)).fill(128), {
    headers: { "x-shape": shape.join(","), "x-scale": "1" },
  });

export const aStep = (name: string, changes: Partial<TraceStep> = {}): TraceStep => ({
  name,
  title: name.replace(/^blocks\.\d+\./, ""),
  layer: Number(/^blocks\.(\d+)\./.exec(name)?.[1] ?? NaN) || (name.startsWith("blocks.0") ? 0 : null),
  shape: [8],
  formula: `formula of ${name}`,
  source: "Vaswani et al. 2017",
  norm: 2,
  mean: 0,
  std: 1,
  preview: [1, -1, 0.5, 0],
  ...changes,
});

const INSIDE = [
  "input",
  "attention_norm",
  "attention.q",
  "attention.weights",
  "attention.output",
  "middle",
  "ffn_norm",
  "ffn.hidden",
  "ffn.output",
  "output",
];

export const aTrace = (changes: Partial<Trace> = {}): Trace => ({
  model: "example",
  random: false,
  tokenizer: "example",
  tokens: tokensOf(WORDS),
  position: 3,
  steps: [
    aStep("embedding", { title: "Embedding" }),
    ...[0, 1].flatMap((layer) => INSIDE.map((part) => aStep(`blocks.${layer}.${part}`))),
    aStep("final_norm", { title: "Final norm" }),
    aStep("logits", { title: "Logits", shape: [1024] }),
  ],
  predictions: [
    { id: 5, text: " bark", logit: 4.25, probability: 0.75 },
    { id: 6, text: " cat", logit: 3, probability: 0.2 },
  ],
  ...changes,
});

export const anExplanation = (changes: Partial<Explanation> = {}): Explanation => ({
  name: "blocks.1.output",
  position: 3,
  index: 2,
  head: null,
  title: "Layer 1, output, token 3, number 2",
  operation: "sum",
  value: 1.5,
  terms: [
    {
      label: "stream before",
      factor_a: 1,
      factor_b: 1,
      product: 1,
      source: { name: "blocks.1.middle", position: 3, index: 2, head: null },
      source_b: null,
    },
    { label: "a weight", factor_a: 0.25, factor_b: 2, product: 0.5, source: null, source_b: null },
  ],
  rest: 0,
  count: 2,
  bias: 0,
  sum: 1.5,
  formula: "middle + ffn.output",
  ...changes,
});
