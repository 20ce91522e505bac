"use client";

import { RotateCcw } from "lucide-react";
import { useId } from "react";

import { Button } from "@/components/ui/button";
import { Field, Input, Range } from "@/components/ui/field";
import { DEFAULT_SAMPLING, type Sampling } from "@/lib/chat";
import { formatNumber } from "@/lib/format";

/** How the next token is chosen. */
export function SamplingPanel({
  value,
  onChange,
  contextLength,
}: {
  value: Sampling;
  onChange: (value: Sampling) => void;
  contextLength: number | null;
}) {
  const id = useId();
  const set = (change: Partial<Sampling>) => onChange({ ...value, ...change });
  const changed = JSON.stringify(value) !== JSON.stringify(DEFAULT_SAMPLING);
  const longest = Math.max(16, contextLength ?? 1024);
  const reply = Math.min(value.max_tokens, longest);
  return (
    <div className="flex flex-col gap-5">
      <div className="flex min-h-8 items-center justify-between">
        <h2 className="font-semibold">How it chooses words</h2>
        <Button look="ghost" size="sm" onClick={() => onChange(DEFAULT_SAMPLING)} disabled={!changed}>
          <RotateCcw aria-hidden /> Reset
        </Button>
      </div>
      <Field
        label="Temperature"
        htmlFor={`${id}t`}
        value={value.temperature.toFixed(2)}
        hint={
          value.temperature === 0
            ? "Always the likeliest token."
            : "0 always takes the likeliest token; higher is bolder."
        }
      >
        <Range
          id={`${id}t`}
          min={0}
          max={2}
          step={0.05}
          value={value.temperature}
          onChange={(event) => set({ temperature: Number(event.target.value) })}
        />
      </Field>
      <Field label="Top k" htmlFor={`${id}k`} hint="Only the k likeliest tokens; empty for all.">
        <NumberInput
          id={`${id}k`}
          min={1}
          max={100_000}
          value={value.top_k}
          onChange={(top_k) => set({ top_k })}
          placeholder="all"
        />
      </Field>
      <Field
        label="Top p"
        htmlFor={`${id}p`}
        value={(value.top_p ?? 1).toFixed(2)}
        hint="Only the likeliest tokens that together have this probability; 1 for all."
      >
        <Range
          id={`${id}p`}
          min={0.05}
          max={1}
          step={0.05}
          value={value.top_p ?? 1}
          onChange={(event) => {
            const top_p = Number(event.target.value);
            set({ top_p: top_p >= 1 ? null : top_p });
          }}
        />
      </Field>
      <Field
        label="Longest reply"
        htmlFor={`${id}m`}
        value={`${formatNumber(reply)} tokens`}
        hint={
          contextLength
            ? `The model's context holds ${formatNumber(contextLength)} tokens, question and reply together.`
            : undefined
        }
      >
        <Range
          id={`${id}m`}
          min={8}
          max={longest}
          step={8}
          value={reply}
          onChange={(event) => set({ max_tokens: Number(event.target.value) })}
        />
      </Field>
      <Field
        label="Seed"
        htmlFor={`${id}s`}
        hint="The same seed gives the same reply; empty for a new one each time."
      >
        <NumberInput
          id={`${id}s`}
          min={0}
          max={2 ** 31}
          value={value.seed}
          onChange={(seed) => set({ seed })}
          placeholder="random"
        />
      </Field>
    </div>
  );
}

function NumberInput({
  id,
  min,
  max,
  value,
  onChange,
  placeholder,
}: {
  id: string;
  min: number;
  max: number;
  value: number | null;
  onChange: (value: number | null) => void;
  placeholder: string;
}) {
  return (
    <Input
      id={id}
      type="number"
      inputMode="numeric"
      min={min}
      max={max}
      step={1}
      value={value ?? ""}
      placeholder={placeholder}
      onChange={(event) => {
        const next = event.target.value === "" ? null : Math.round(Number(event.target.value));
        if (next === null || (next >= min && next <= max)) onChange(next);
      }}
      className="figures"
    />
  );
}
