/** What a training will take: the question for the planner, and its answer in words. */

import type { components } from "./api.gen";
import type { Config } from "./architecture-types";
import { formatBytes, formatNumber } from "./format";
import type { PreviewRequest, RunPreview } from "./run-types";

type Schemas = components["schemas"];
export type TrainingPlan = Schemas["TrainingPlan"];
export type PlannedChoice = Schemas["PlannedChoice"];

export const HERE = "this";
/** Where the training is thought to run. */
export interface Place {
  /** A name of the device table, or "this". */
  device: string;
  /** How many of them; null: as many as the settings have processes. */
  devices: number | null;
}
export interface PlanRequest {
  stage: string;
  config: Config;
  device: string;
  devices: number | null;
  remembered: true;
}

/**
 * The question for the planner that belongs to a run which was looked at; null as long as that is not right.
 *
 * A recipe is planned by its last step, whose tokens are not there yet: its shape is known all the same.
 */
export function planRequest(
  preview: (RunPreview & { asked: PreviewRequest }) | undefined,
  { device, devices }: Place,
): PlanRequest | null {
  if (!preview || preview.problems.length) return null;
  const asked = { ...preview.asked.config } as Config;
  const recipe = preview.asked.stage === "recipe";
  const steps = (asked["steps"] ?? []) as readonly { stage: string; config: Config }[];
  const stage = recipe ? (steps.at(-1)?.stage ?? "") : preview.asked.stage;
  if (stage === "pretrain" && !preview.model) return null;
  const config = recipe
    ? { ...steps.at(-1)?.config, tokens: "", preset: "quickstart", model: preview.model }
    : asked;
  delete config["name"];
  return { stage, config, device, devices: device === HERE ? null : devices, remembered: true };
}

/** Parts of the peak in the order in which they are drawn; what is left of the memory is the ground. */
export const MEMORY_PARTS = [
  { key: "weights", label: "Weights", colour: "var(--chart-1)" },
  { key: "gradients", label: "Gradients", colour: "var(--chart-2)" },
  { key: "optimizer", label: "Optimizer", colour: "var(--chart-4)" },
  { key: "working", label: "Optimizer at work", colour: "color-mix(in oklab, var(--chart-4) 55%, var(--surface))" },
  { key: "average", label: "Averaged weights", colour: "color-mix(in oklab, var(--chart-1) 55%, var(--surface))" },
  { key: "gathered", label: "Gathered weights", colour: "color-mix(in oklab, var(--chart-1) 35%, var(--surface))" },
  { key: "activations", label: "Activations", colour: "var(--chart-3)" },
  { key: "recomputed", label: "A block recomputed", colour: "color-mix(in oklab, var(--chart-3) 55%, var(--surface))" },
  { key: "logits", label: "Logits and loss", colour: "var(--chart-5)" },
  { key: "base", label: "The process itself", colour: "var(--muted)" },
  { key: "holes", label: "Holes in the heap", colour: "color-mix(in oklab, var(--muted) 50%, var(--surface))" },
] as const; // prettier-ignore

const MOMENTS: Readonly<Record<string, string>> = {
  loss: "while the loss is computed",
  head: "while the head's gradients are computed",
  recomputing: "while a block is computed again",
  update: "while the weights are updated",
  validation: "while it is validated",
};

/** When the peak is reached, in words. */
export const momentOf = (choice: PlannedChoice): string => MOMENTS[choice.footprint.worst] ?? "";

/** How a step is divided: "16 sequences: 4 at once, 4 times over". */
export function divisionOf(choice: PlannedChoice, devices: number, what: string): string {
  const { micro_batch_size: micro, accumulation } = choice;
  const at = `${formatNumber(micro)} ${micro === 1 ? "sequence" : "sequences"} at once`;
  const times = accumulation > 1 ? `, ${formatNumber(accumulation)} times over` : "";
  return `A step: ${at}${times}${devices > 1 ? `, on each of ${formatNumber(devices)} ${what}` : ""}.`;
}

/** The settings that a choice comes to. */
export const settingsOf = ({ micro_batch_size, checkpointing }: PlannedChoice): Config => ({
  micro_batch_size,
  activation_checkpointing: checkpointing,
});

const RECOMPUTED: Readonly<Record<string, string>> = {
  none: "",
  selective: ", every second block recomputed",
  full: ", all blocks recomputed",
};

/** What would fit, in words. */
export const suggestionOf = ({ micro_batch_size, checkpointing, footprint }: PlannedChoice): string =>
  `${formatNumber(micro_batch_size)} at once${RECOMPUTED[checkpointing] ?? ""}: ${formatBytes(footprint.peak)}`;
