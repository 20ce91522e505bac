"use client";

import { type ReactNode, useId, useState } from "react";

import { Field, Input } from "@/components/ui/field";

/** A whole number within bounds; what is typed on the way to one changes nothing. */
export function NumberField({
  label,
  value,
  onChange,
  min = 0,
  max,
  hint,
}: {
  label: string;
  value: number;
  onChange: (value: number) => void;
  min?: number;
  max?: number;
  hint?: ReactNode;
}) {
  const id = useId();
  const [typed, setTyped] = useState<string | null>(null);
  const fits = (text: string) => {
    const number = Number(text);
    return (
      text.trim() !== "" && Number.isInteger(number) && number >= min && (max === undefined || number <= max)
    );
  };
  return (
    <Field label={label} htmlFor={id} hint={hint}>
      <Input
        id={id}
        type="number"
        inputMode="numeric"
        min={min}
        max={max}
        value={typed ?? value}
        aria-invalid={typed !== null && !fits(typed)}
        onChange={(event) => {
          setTyped(event.target.value);
          if (fits(event.target.value)) onChange(Number(event.target.value));
        }}
        onBlur={() => setTyped(null)}
        className="figures"
      />
    </Field>
  );
}
