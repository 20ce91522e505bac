"use client";

import { FileUp } from "lucide-react";
import { type ReactNode, useRef } from "react";
import { toast } from "sonner";

import { Button } from "@/components/ui/button";
import { EXAMPLES } from "@/lib/tokenizer-text";
import { cn } from "@/lib/utils";

const LONGEST_FILE = 2_000_000;

/** The text that the whole page is about, with examples to begin from and files to take. */
export function TextBox({
  id,
  label,
  value,
  onChange,
  rows = 5,
  examples = true,
  children,
  className,
}: {
  id: string;
  label: string;
  value: string;
  onChange: (value: string) => void;
  rows?: number;
  examples?: boolean;
  /** What stands at the right of the label. */
  children?: ReactNode;
  className?: string;
}) {
  const file = useRef<HTMLInputElement>(null);
  const take = async (taken: File | undefined) => {
    if (!taken) return;
    if (taken.size > LONGEST_FILE) {
      toast.error(`${taken.name} is too large.`, {
        description: "This page takes files of up to 2 MB; prepare a data set for more.",
      });
    } else onChange(await taken.text());
  };
  return (
    <div className={cn("flex flex-col gap-2", className)}>
      <div className="flex min-h-8 flex-wrap items-center gap-x-3 gap-y-1.5">
        <label htmlFor={id} className="text-base font-semibold">
          {label}
        </label>
        {children ? <div className="ml-auto flex items-center gap-2">{children}</div> : null}
      </div>
      <textarea
        id={id}
        dir="auto"
        rows={rows}
        value={value}
        spellCheck={false}
        placeholder="Type or paste any text"
        onChange={(event) => onChange(event.target.value)}
        className="w-full resize-y rounded-lg border border-border-strong bg-surface px-3 py-2 text-base placeholder:text-muted"
      />
      {examples ? (
        <div className="flex flex-wrap items-center gap-1" role="group" aria-label="Examples">
          {EXAMPLES.map(({ name, text }) => (
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
          <input
            ref={file}
            type="file"
            hidden
            accept="text/*,.md,.json,.jsonl,.py,.ts,.c,.csv"
            onChange={(event) => {
              void take(event.target.files?.[0]);
              event.target.value = "";
            }}
          />
          <Button look="ghost" size="sm" onClick={() => file.current?.click()} className="sm:ml-auto">
            <FileUp aria-hidden /> Open a file
          </Button>
        </div>
      ) : null}
    </div>
  );
}
