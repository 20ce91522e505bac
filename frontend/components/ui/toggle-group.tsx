"use client";

import { ToggleGroup as Primitive } from "radix-ui";
import type { ReactNode } from "react";

import { cn } from "@/lib/utils";

/** One choice of a few, as in a view switch. */
export function Choice<T extends string>({
  label,
  value,
  options,
  onChange,
  className,
}: {
  label: string;
  value: T;
  options: readonly { value: T; label: ReactNode; name?: string }[];
  onChange: (value: T) => void;
  className?: string;
}) {
  return (
    <Primitive.Root
      type="single"
      aria-label={label}
      value={value}
      onValueChange={(next) => next && onChange(next as T)}
      className={cn(
        "inline-flex max-w-full items-center gap-0.5 overflow-x-auto rounded-lg bg-surface-2 p-0.5",
        className,
      )}
    >
      {options.map((option) => (
        <Primitive.Item
          key={option.value}
          value={option.value}
          aria-label={option.name}
          className="inline-flex h-7 shrink-0 items-center gap-1.5 rounded-md px-2.5 text-sm text-muted hover:text-foreground focus-visible:outline-offset-[-3px] data-[state=on]:bg-surface data-[state=on]:font-medium data-[state=on]:text-foreground data-[state=on]:shadow-card dark:data-[state=on]:bg-border [&_svg]:size-4"
        >
          {option.label}
        </Primitive.Item>
      ))}
    </Primitive.Root>
  );
}
