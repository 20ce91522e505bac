"use client";

import { Select } from "@/components/ui/field";
import { formatNumber } from "@/lib/format";
import type { TokenizerInfo } from "@/lib/tokenizer-types";

/** The tokenizers to choose from: one's own, those inside models, and the built-in ones. */
export function TokenizerSelect({
  id,
  label,
  value,
  tokenizers,
  onChange,
  className,
}: {
  id: string;
  /** For screen readers, where no label stands beside it. */
  label?: string;
  value: string;
  tokenizers: readonly TokenizerInfo[];
  onChange: (id: string) => void;
  className?: string;
}) {
  const groups: [string, TokenizerInfo[]][] = [
    ["Trained here", tokenizers.filter((item) => !item.builtin && item.kind === "tokenizer")],
    ["Of models", tokenizers.filter((item) => item.kind === "model")],
    ["Built in", tokenizers.filter((item) => item.builtin && item.kind === "tokenizer")],
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
              <option key={item.id} value={item.id}>
                {item.name} ({formatNumber(item.vocab_size)})
              </option>
            ))}
          </optgroup>
        ))}
    </Select>
  );
}
