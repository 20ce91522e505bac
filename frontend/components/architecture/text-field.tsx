"use client";

import { type ReactNode, useEffect, useRef } from "react";

import { Button } from "@/components/ui/button";
import { EXAMPLES } from "@/lib/architecture-examples";
import type { LabModel } from "@/lib/architecture-types";
import { useTokenCount } from "@/lib/attention-queries";
import { DASH, formatNumber } from "@/lib/format";
import { cn } from "@/lib/utils";

const ROW = 22;

/** The text that a model reads, with examples to begin from and how much of the context it fills. */
export function TextField({
  id,
  label = "Text",
  value,
  onChange,
  model,
  rows = 3,
  examples = EXAMPLES,
  foot,
  children,
  className,
}: {
  id: string;
  label?: string;
  value: string;
  onChange: (value: string) => void;
  /** Whose tokens are counted; without one nothing is counted. */
  model?: LabModel;
  rows?: number;
  /** Texts to begin from; an empty list shows none. */
  examples?: readonly { name: string; text: string }[];
  /** What stands beside the examples. */
  foot?: ReactNode;
  /** What stands at the right of the label. */
  children?: ReactNode;
  className?: string;
}) {
  const count = useTokenCount(model?.tokenizer ?? null, value);
  const most = model?.context_length ?? null;
  const over = count !== null && most !== null && count > most;
  const box = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    const area = box.current;
    if (!area) return;
    area.style.height = "auto"; // so that a shorter text takes less room again
    area.style.height = `${Math.min(area.scrollHeight + 2, 10 * ROW)}px`;
  }, [value]);
  return (
    <div className={cn("flex flex-col gap-2", className)}>
      <div className="flex min-h-8 flex-wrap items-center gap-x-3 gap-y-1.5">
        <label htmlFor={id} className="text-base font-semibold">
          {label}
        </label>
        {model ? (
          <span
            id={`${id}-count`}
            className={cn("text-sm figures", over ? "font-medium text-bad" : "text-muted")}
          >
            {count === null ? DASH : formatNumber(count)} of {formatNumber(most)} tokens
          </span>
        ) : null}
        {children ? (
          <div className="ml-auto flex min-w-0 flex-wrap items-center gap-2 max-sm:w-full">{children}</div>
        ) : null}
      </div>
      <textarea
        ref={box}
        id={id}
        dir="auto"
        rows={rows}
        value={value}
        spellCheck={false}
        placeholder="Type or paste a text for the model to read"
        aria-invalid={over}
        aria-describedby={model ? `${id}-count` : undefined}
        onChange={(event) => onChange(event.target.value)}
        className="w-full resize-y rounded-lg border border-border-strong bg-surface px-3 py-2 text-base placeholder:text-muted aria-invalid:border-bad"
      />
      {over ? (
        <p role="status" className="text-sm text-pretty text-bad">
          This model reads at most {formatNumber(most)} tokens: shorten the text by at least{" "}
          {formatNumber(count - most)}.
        </p>
      ) : null}
      {examples.length || foot ? (
        <div className="flex flex-wrap items-center justify-between gap-x-6 gap-y-2">
          {examples.length ? (
            <div className="flex flex-wrap items-center gap-1" role="group" aria-label="Examples">
              {examples.map(({ name, text }) => (
                <Button
                  key={name}
                  look={text === value ? "soft" : "ghost"}
                  size="sm"
                  aria-pressed={text === value}
                  onClick={() => onChange(text)}
                >
                  {name}
                </Button>
              ))}
            </div>
          ) : null}
          {foot}
        </div>
      ) : null}
    </div>
  );
}
