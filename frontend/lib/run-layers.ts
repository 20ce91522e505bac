/** The measurements by layer that a run's instruments made: what they are, and their layers in order. */

export interface LayerMetric {
  prefix: string;
  title: string;
  unit?: string;
  /** What it tells, in a sentence. */
  about: string;
  logY: boolean;
  rule?: { at: number; label: string };
}

/** In the order in which one looks at them. */
export const LAYER_METRICS: readonly LayerMetric[] = [
  {
    prefix: "grad_norm",
    title: "Gradient norm",
    about:
      "Length of each layer's gradient before clipping. A layer that rises alone is where a spike begins.",
    logY: true,
  },
  {
    prefix: "update_ratio",
    title: "Update to weight ratio",
    about:
      "How far a step moves a layer's weights, as a share of their length. About 1e-3 is usual: far above it the learning rate is high for the layer, far below it hardly learns.",
    logY: true,
    rule: { at: 1e-3, label: "1e-3, a rule of thumb" },
  },
  {
    prefix: "weight_norm",
    title: "Weight norm",
    about: "Length of each layer's weights. It levels off where weight decay and gradient balance.",
    logY: false,
  },
  {
    prefix: "activation_std",
    title: "Activation spread",
    unit: "standard deviation",
    about:
      "Spread of the residual stream after each layer. It grows with depth; a jump in time foretells trouble.",
    logY: false,
  },
  {
    prefix: "activation_mean",
    title: "Activation mean",
    about: "Mean of the residual stream after each layer; far from zero it drifts.",
    logY: false,
  },
  {
    prefix: "dead_units",
    title: "Dead units",
    unit: "share",
    about: "Share of feed-forward units that no token of a micro-batch woke.",
    logY: false,
  },
  {
    prefix: "dead_experts",
    title: "Unused experts",
    unit: "share",
    about: "Share of experts that no token was sent to.",
    logY: false,
  },
  {
    prefix: "max_attention_logit",
    title: "Largest attention logit",
    about:
      "Greatest score before an attention's softmax. Growing without end, it foretells instability; some clip it at 100.",
    logY: false,
  },
];

/** The kinds of measurement that a run has. */
export const layerMetricsOf = (names: readonly string[]): LayerMetric[] =>
  LAYER_METRICS.filter(({ prefix }) => names.some((name) => name.startsWith(`${prefix}/`)));

/** Embedding, blocks in their order, then what comes after them. */
export function layerOrder(a: string, b: string): number {
  const place = (layer: string) => (/embed|position/.test(layer) ? 0 : /blocks\.\d/.test(layer) ? 1 : 2);
  return place(a) - place(b) || a.localeCompare(b, "en", { numeric: true });
}

/** The series of a measurement, from the first layer to the last. */
export const layerSeries = (names: readonly string[], prefix: string): string[] =>
  names
    .filter((name) => name.startsWith(`${prefix}/`))
    .sort((a, b) => layerOrder(a.slice(prefix.length + 1), b.slice(prefix.length + 1)));

/** The name of a layer for people: "block 3", "embedding", "final norm". */
export const layerTitle = (layer: string): string =>
  layer
    .replace(/blocks\.(\d+)/, (_, number: string) => `block ${Number(number) + 1}`)
    .replaceAll(/[._]/g, " ");
