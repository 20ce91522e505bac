"use client";

import { Switch as Primitive } from "radix-ui";
import { type ReactNode, useId } from "react";

import { Info } from "./info";

/** On or off, with its name beside it. */
export function Switch({
  label,
  checked,
  onChange,
  disabled,
  about,
}: {
  label: string;
  checked: boolean;
  onChange: (checked: boolean) => void;
  disabled?: boolean;
  about?: ReactNode;
}) {
  const id = useId();
  return (
    <span className="inline-flex items-center gap-2 text-sm">
      <Primitive.Root
        id={id}
        checked={checked}
        onCheckedChange={onChange}
        disabled={disabled}
        className="relative h-5 w-9 shrink-0 rounded-full bg-border-strong transition-colors duration-100 disabled:opacity-50 data-[state=checked]:bg-accent"
      >
        <Primitive.Thumb className="block size-4 translate-x-0.5 rounded-full bg-surface transition-transform duration-100 data-[state=checked]:translate-x-4.5" />
      </Primitive.Root>
      <label htmlFor={id}>{label}</label>
      {about ? <Info name={label} about={about} /> : null}
    </span>
  );
}
