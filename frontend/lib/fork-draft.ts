/** A fork that is being put together: the settings of its source, the changes to them, and the request. */

import type { ForkRequest } from "./checkpoint-queries";
import type { Config } from "./architecture-types";
import { type FormField, defaultsOf } from "@/components/config-form/schema";
import type { Run } from "./types";

/** What the source trained with; settings that are newer than it have their defaults. */
export function trainingOf(run: Run, fields: readonly FormField[]): Config {
  const own = run.config["training"];
  return { ...defaultsOf(fields), ...(own !== null && typeof own === "object" ? own : {}) };
}

/** The changes a fork begins with: where the source's steps end at the checkpoint, as many again. */
export function firstChanges(training: Config, step: number): Config {
  const steps = Number(training["steps"]);
  return steps > step ? {} : { steps: step + steps };
}

/** The whole configuration with changes to its training. */
export const changedConfig = (run: Run, changes: Config): Config => ({
  ...run.config,
  training: { ...(run.config["training"] as Config | undefined), ...changes },
});

/** The request that starts it: only what differs from the source. */
export function forkRequest(
  run: Run,
  step: number,
  draft: { changes: Config; name: string; seed: number },
): ForkRequest {
  const name = draft.name.trim();
  return {
    step,
    changes: Object.fromEntries(
      Object.entries(draft.changes).map(([field, value]) => [`training.${field}`, value]),
    ),
    ...(name ? { name } : {}),
    ...(draft.seed === run.seed ? {} : { seed: draft.seed }),
  };
}

/** What is wrong with the training settings, by field; a fork must go on beyond its checkpoint. */
export function trainingProblems(
  problems: readonly { field: string; message: string }[],
  training: Config,
  step: number,
): Record<string, string> {
  const found: Record<string, string> = {};
  for (const { field, message } of problems) {
    if (!field.startsWith("training")) continue;
    found[field.slice("training.".length)] = message;
  }
  if (Number(training["steps"]) <= step) found["steps"] = `must be above ${step}, where the fork begins`;
  return found;
}
