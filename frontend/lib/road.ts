import { formatLoss, formatPercent, formatShort } from "./format";
import { figure, interval, shareDone, stageTitle } from "./run-view";
import { isAlive, type Run } from "./types";

export type StationKind = "text" | "tokenizer" | "pretrain" | "sft" | "score" | "chat";
export type StationState = "ahead" | "active" | "done" | "halted";

/** One stop on the way from text to a reply. */
export interface Station {
  key: string;
  kind: StationKind;
  title: string;
  /** What happens there, or what came of it. */
  note: string;
  state: StationState;
  /** Share done in [0, 1]. */
  share: number;
  run: Run | null;
}

const PLAN: { kind: StationKind; title: string; note: string; stages: string[] }[] = [
  { kind: "text", title: "Text", note: "Stories of a small town", stages: ["data.prepare"] },
  {
    kind: "tokenizer",
    title: "Tokenizer",
    note: "Cuts text into pieces",
    stages: ["tokenizer.train", "data.tokenize"],
  },
  { kind: "pretrain", title: "Pre-training", note: "Learns to continue text", stages: ["pretrain"] },
  { kind: "sft", title: "Fine-tuning", note: "Learns to answer", stages: ["sft"] },
  { kind: "score", title: "Score", note: "Asked what it never saw", stages: ["evaluate"] },
];

/** The road with nothing behind one: what will happen. */
export function plannedRoad(): Station[] {
  return roadOf(null, []);
}

/** The six stations of a recipe run, each with the real state of its steps. */
export function roadOf(run: Run | null, children: readonly Run[]): Station[] {
  const stations = PLAN.map((plan): Station => {
    const steps = children.filter((child) => plan.stages.includes(child.stage));
    const wanted = Math.max(1, stepsPlanned(run, plan.stages), steps.length);
    const share = steps.reduce((sum, step) => sum + (shareDone(step) ?? 0), 0) / wanted;
    const last =
      steps.find(isAlive) ?? steps.findLast((step) => step.state !== "finished") ?? steps.at(-1) ?? null;
    return {
      key: plan.kind,
      kind: plan.kind,
      title: plan.title,
      note: resultOf(steps) ?? plan.note,
      state: stateOf(steps, wanted),
      share,
      run: last,
    };
  }).filter(
    (station) => run === null || station.run !== null || stepsPlanned(run, stagesOf(station.kind)) > 0,
  );
  const made = run?.state === "finished" && run.output !== null;
  stations.push({
    key: "chat",
    kind: "chat",
    title: "Chat",
    note: made ? "Ready to talk" : "Talk with it",
    state: made ? "done" : "ahead",
    share: made ? 1 : 0,
    run: null,
  });
  return stations;
}

const stagesOf = (kind: StationKind): string[] => PLAN.find((plan) => plan.kind === kind)?.stages ?? [];

/** How many steps of these stages the recipe has. */
function stepsPlanned(run: Run | null, stages: readonly string[]): number {
  const steps = run?.config["steps"];
  if (!Array.isArray(steps)) return 0;
  return steps.filter((step: { stage?: unknown }) => stages.includes(String(step.stage))).length;
}

function stateOf(steps: readonly Run[], wanted: number): StationState {
  if (steps.some((step) => isAlive(step))) return "active";
  if (steps.some((step) => step.state !== "finished")) return "halted";
  if (steps.length === 0) return "ahead";
  return steps.length >= wanted ? "done" : "active";
}

/** What came of finished steps, in a few words. */
function resultOf(steps: readonly Run[]): string | null {
  for (const step of [...steps].reverse()) {
    const words = wordsOf(step);
    if (words) return words;
  }
  return null;
}

function wordsOf(step: Run): string | null {
  const { summary } = step;
  if (isAlive(step)) {
    const share = shareDone(step);
    return share === null ? stageTitle(step.stage) : `${Math.floor(100 * share)}%`;
  }
  if (step.state !== "finished") return null;
  switch (step.stage) {
    case "data.prepare": {
      const documents = figure(summary, "documents");
      return documents === null ? null : `${formatShort(documents)} stories`;
    }
    case "tokenizer.train": {
      const size = figure(summary, "vocab_size");
      return size === null ? null : `${formatShort(size)} tokens known`;
    }
    case "pretrain":
    case "sft": {
      const loss = figure(summary, "val_loss");
      return loss === null ? null : `loss ${formatLoss(loss, 2)}`;
    }
    case "evaluate": {
      const score = interval(summary["exact_match"]);
      return score === null ? null : `${formatPercent(score.value, 0)} right`;
    }
    default:
      return null;
  }
}
