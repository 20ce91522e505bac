"use client";

import { ConfigForm } from "@/components/config-form/config-form";
import { defaultsOf, type FormField } from "@/components/config-form/schema";
import { Card, CardHeader } from "@/components/ui/card";
import { Skeleton } from "@/components/ui/skeleton";
import { withChange } from "@/lib/architecture-config";
import type { Config } from "@/lib/architecture-types";

export const WORDS: Readonly<Record<string, string>> = {
  adamw: "AdamW",
  muon: "Muon",
  sgd: "SGD",
  lion: "Lion",
  cosine: "cosine",
  cosine_restarts: "cosine with restarts",
  wsd: "warm-up, stable, decay",
  inverse_sqrt: "inverse square root",
  full: "all blocks",
  selective: "every second block",
};

/** Settings of training that say nothing with the others as they are, with the reason. */
export function idleTraining(values: Config): Record<string, string> {
  const idle: Record<string, string> = {};
  const { optimizer, schedule } = values;
  if (optimizer !== "adamw" && optimizer !== "muon") idle["eps"] = "Only AdamW has it.";
  if (optimizer === "sgd") {
    idle["beta1"] = "SGD has a momentum instead.";
    idle["beta2"] = "SGD has a momentum instead.";
  }
  if (optimizer !== "muon" && optimizer !== "sgd") idle["momentum"] = "Only Muon and SGD have it.";
  if (optimizer !== "muon") idle["muon_learning_rate"] = "Only Muon has it.";
  if (schedule !== "wsd") idle["decay_fraction"] = "Only for warm-up, stable, decay.";
  if (schedule !== "cosine_restarts") idle["restarts"] = "Only for cosine with restarts.";
  if (schedule === "constant") idle["min_lr_ratio"] = "A constant rate does not fall.";
  return idle;
}

/** Settings that come from the stage's schema: those of training, and what else the stage has. */
export function TrainingCard({
  title,
  name,
  fields,
  changes,
  problems,
  general,
  open,
  onChange,
}: {
  title: string;
  name: string;
  fields: readonly FormField[] | null;
  changes: Config;
  problems: Readonly<Record<string, string>>;
  /** What is wrong with the settings as a whole. */
  general?: string;
  open: readonly string[];
  onChange: (changes: Config) => void;
}) {
  const base = fields ? defaultsOf(fields) : null;
  const values = { ...base, ...changes };
  return (
    <Card className="overflow-hidden">
      <CardHeader title={title} />
      {general ? <p className="px-4 pb-3 text-sm text-bad sm:px-5">{general}</p> : null}
      {fields && base ? (
        <div className="border-t">
          <ConfigForm
            name={name}
            fields={fields}
            values={values}
            base={base}
            problems={problems}
            idle={idleTraining(values)}
            words={WORDS}
            open={open}
            onChange={(field, next) => onChange(withChange(base, changes, field, next))}
          />
        </div>
      ) : (
        <Skeleton className="m-4 h-64" />
      )}
    </Card>
  );
}
