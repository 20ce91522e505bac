import type { Lineage, LineageNode } from "@/lib/lineage-layout";

export const aNode = (changes: Partial<LineageNode> = {}): LineageNode => ({
  id: "thing",
  kind: "model",
  name: "Thing",
  created_at: 1_700_000_000,
  deleted: false,
  builtin: false,
  marked: false,
  stage: null,
  state: null,
  attempt: null,
  run: null,
  figures: {},
  ...changes,
});

/** A fork at work of a pre-training whose model was scored. */
export function aLineage(): Lineage {
  const run = (id: string, stage: string, changes: Partial<LineageNode> = {}) =>
    aNode({ id, kind: "run", name: id, stage, state: "finished", attempt: 1, ...changes });
  return {
    nodes: [
      run("data-run", "data.prepare"),
      aNode({ id: "data", kind: "dataset", name: "town", figures: { documents: 20_000 } }),
      run("tokens-run", "data.tokenize"),
      aNode({ id: "tokens", kind: "tokens", name: "tokens", figures: { train_tokens: 2_100_000 } }),
      run("base-run", "pretrain"),
      aNode({ id: "base-run@400", kind: "checkpoint", name: "step 400", run: "base-run" }),
      aNode({ id: "base", name: "Small base", figures: { parameters: 1_200_000, val_loss: 1.5 } }),
      run("fork-run", "pretrain", { name: "Fork", marked: true, state: "running", attempt: 2 }),
      aNode({ id: "fork", name: "Small fork" }),
      run("score-run", "evaluate"),
      aNode({ id: "score", kind: "evaluation", name: "score", figures: { exact_match: 0.931 } }),
    ],
    edges: [
      ["data-run", "data"],
      ["data", "tokens-run"],
      ["tokens-run", "tokens"],
      ["tokens", "base-run"],
      ["base-run", "base-run@400"],
      ["base-run@400", "fork-run"],
      ["base-run", "base"],
      ["fork-run", "fork"],
      ["base", "score-run"],
      ["data", "score-run"],
      ["score-run", "score"],
    ].map(([before = "", after = ""]) => ({ before, after })),
  };
}
