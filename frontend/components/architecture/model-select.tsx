"use client";

import { Dices } from "lucide-react";

import { Badge } from "@/components/ui/badge";
import { Select } from "@/components/ui/field";
import { Tip } from "@/components/ui/tooltip";
import type { LabModel } from "@/lib/architecture-types";
import { formatNumber, formatShort } from "@/lib/format";
import { cn } from "@/lib/utils";

/** The models to look into: one's own, the built-in one, and presets, whose weights are random here. */
export function ModelSelect({
  id,
  label,
  value,
  models,
  onChange,
  className,
}: {
  id: string;
  /** For screen readers, where no label stands beside it. */
  label?: string;
  value: string;
  models: readonly LabModel[];
  onChange: (ref: string) => void;
  className?: string;
}) {
  const groups: [string, LabModel[]][] = [
    ["Trained here", models.filter((item) => !item.builtin && !item.random)],
    ["Built in", models.filter((item) => item.builtin && !item.random)],
    ["Presets, random weights", models.filter((item) => item.random)],
  ];
  return (
    <Select
      id={id}
      aria-label={label}
      value={value}
      onChange={(event) => onChange(event.target.value)}
      className={className}
    >
      {groups
        .filter(([, items]) => items.length)
        .map(([name, items]) => (
          <optgroup key={name} label={name}>
            {items.map((item) => (
              <option key={item.ref} value={item.ref} disabled={!item.runnable}>
                {nameOf(item)}
              </option>
            ))}
          </optgroup>
        ))}
    </Select>
  );
}

function nameOf({ name, parameters, runnable }: LabModel): string {
  if (!runnable) return `${name} (too large here)`;
  const size = formatShort(parameters);
  return name.includes(size) ? name : `${name} (${size})`;
}

/** Says that a model has not learned anything: its pictures show the machine, not knowledge. */
export function RandomBadge({ className }: { className?: string }) {
  return (
    <Tip text="The shape is the preset's, the weights are drawn from a fixed seed. The arithmetic is real; what it predicts means nothing.">
      <button type="button" className={cn("rounded-md", className)}>
        <Badge tone="warn">
          <Dices className="size-3.5" aria-hidden /> Random weights
        </Badge>
      </button>
    </Tip>
  );
}

/** One line about a model: its size and shape, that its weights are random, or why it cannot run here. */
export function AboutModel({ model, className }: { model: LabModel; className?: string }) {
  const grouped = model.kv_heads !== model.heads;
  return (
    <div className={cn("flex flex-wrap items-center gap-x-3 gap-y-1 text-sm text-muted", className)}>
      <p className="text-pretty">
        <span className="font-medium text-foreground">{model.name}</span>:{" "}
        <span className="figures">
          {formatShort(model.parameters)} parameters, {formatNumber(model.layers)} layers of{" "}
          {formatNumber(model.heads)} heads
          {grouped ? ` (${formatNumber(model.kv_heads)} for keys and values)` : ""}, width{" "}
          {formatNumber(model.width)}
        </span>
      </p>
      {model.random ? <RandomBadge /> : null}
      {model.runnable ? null : (
        <p role="status" className="basis-full text-pretty text-warn">
          {model.why_not ?? "This model cannot run here."}
        </p>
      )}
    </div>
  );
}
