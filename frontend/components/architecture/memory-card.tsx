"use client";

import { memo, useId } from "react";

import { Info } from "@/components/tokenizer/info";
import { NumberField } from "@/components/tokenizer/number-field";
import { Card, CardHeader } from "@/components/ui/card";
import { Field, Select } from "@/components/ui/field";
import type { Plan } from "@/lib/architecture-config";
import type { Analysis } from "@/lib/architecture-types";
import { formatBytes, formatNumber } from "@/lib/format";

import { BreakdownBar } from "./breakdown-bar";
import { PRECISIONS } from "./totals";

const KINDS = [
  { key: "weights", label: "Weights", colour: "--chart-1" },
  { key: "gradients", label: "Gradients", colour: "--chart-2" },
  { key: "optimizer", label: "Optimizer", colour: "--chart-4" },
  { key: "activations", label: "Activations", colour: "--chart-3" },
  { key: "logits", label: "Logits", colour: "--chart-5" },
  { key: "gathered", label: "Gathered weights", colour: "--muted" },
] as const;

const OPTIMIZERS = { adamw: "AdamW", sgd: "SGD with momentum", lion: "Lion", muon: "Muon" };
const CHECKPOINTING = { none: "keep all", selective: "recompute scores", full: "recompute blocks" };

/** What training holds in memory, by kind, for a batch that one can change. */
export const MemoryCard = memo(function MemoryCard({
  analysis,
  plan,
  onPlan,
}: {
  analysis: Analysis;
  plan: Plan;
  onPlan: (plan: Plan) => void;
}) {
  const { memory } = analysis;
  return (
    <Card className="overflow-hidden">
      <CardHeader
        title="Memory to train"
        note={
          <span className="figures" title={`${formatNumber(memory.total_training)} bytes`}>
            {formatBytes(memory.total_training)}
            {plan.shards > 1 ? " on each device" : ""}
          </span>
        }
      >
        <Info
          name="Memory to train"
          about="Of one device. What the program itself and the libraries take comes on top."
        />
      </CardHeader>
      <div className="px-4 pt-1 pb-4 sm:px-5">
        <BreakdownBar
          label="Memory by kind"
          format={formatBytes}
          exact={(value) => `${formatNumber(value)} bytes`}
          slices={KINDS.map((kind) => ({ ...kind, value: memory[kind.key] }))}
        />
        <div className="mt-4 grid grid-cols-2 gap-3 sm:grid-cols-3">
          <NumberField
            label="Sequences"
            min={1}
            max={1_000_000}
            value={plan.batch}
            onChange={(batch) => onPlan({ ...plan, batch })}
          />
          <Picked
            label="Precision"
            value={plan.precision}
            options={PRECISIONS}
            onChange={(precision) => onPlan({ ...plan, precision })}
          />
          <Picked
            label="Optimizer"
            value={plan.optimizer}
            options={OPTIMIZERS}
            onChange={(optimizer) => onPlan({ ...plan, optimizer })}
          />
          <Picked
            label="Activations"
            value={plan.checkpointing}
            options={CHECKPOINTING}
            onChange={(checkpointing) => onPlan({ ...plan, checkpointing })}
          />
          <NumberField
            label="Devices sharing"
            min={1}
            max={65_536}
            value={plan.shards}
            onChange={(shards) => onPlan({ ...plan, shards })}
          />
        </div>
      </div>
    </Card>
  );
});

function Picked({
  label,
  value,
  options,
  onChange,
}: {
  label: string;
  value: string;
  options: Readonly<Record<string, string>>;
  onChange: (value: string) => void;
}) {
  const id = useId();
  return (
    <Field label={label} htmlFor={id}>
      <Select id={id} value={value} onChange={(event) => onChange(event.target.value)}>
        {Object.entries(options).map(([key, words]) => (
          <option key={key} value={key}>
            {words}
          </option>
        ))}
      </Select>
    </Field>
  );
}
