"use client";

import { X } from "lucide-react";
import { useId, useState } from "react";

import { Button } from "@/components/ui/button";
import { Field, Input } from "@/components/ui/field";
import { useChangeRun } from "@/lib/run-queries";
import type { Run } from "@/lib/types";

/** Tags and notes of a run; a tag is kept at once, notes when one says so. */
export function Notes({ run }: { run: Run }) {
  const change = useChangeRun();
  const id = useId();
  const [tag, setTag] = useState("");
  const [typed, setTyped] = useState<string | null>(null);
  const notes = typed ?? run.notes;
  const setTags = (tags: string[]) => change.mutate({ run, changes: { tags } });
  const add = () => {
    const more = tag.split(",").map((word) => word.trim());
    const fresh = more.filter((word) => word && !run.tags.includes(word));
    if (fresh.length) setTags([...run.tags, ...fresh]);
    setTag("");
  };
  return (
    <div className="flex flex-col gap-4 border-t px-4 py-4 sm:px-5">
      <Field label="Tags" htmlFor={`${id}-tag`} hint="Short words to find it by. Enter adds one.">
        <form
          className="flex flex-wrap items-center gap-2"
          onSubmit={(event) => {
            event.preventDefault();
            add();
          }}
        >
          {run.tags.map((word) => (
            <span
              key={word}
              className="inline-flex h-7 items-center gap-1 rounded-md bg-surface-2 pr-1 pl-2 text-sm"
            >
              {word}
              <button
                type="button"
                aria-label={`Take the tag ${word} away`}
                onClick={() => setTags(run.tags.filter((item) => item !== word))}
                className="grid size-5 place-items-center rounded-md text-muted hover:text-foreground"
              >
                <X aria-hidden className="size-3.5" />
              </button>
            </span>
          ))}
          <Input
            id={`${id}-tag`}
            value={tag}
            maxLength={80}
            onChange={(event) => setTag(event.target.value)}
            className="h-8 w-40"
          />
        </form>
      </Field>
      <Field label="Notes" htmlFor={`${id}-notes`}>
        <textarea
          id={`${id}-notes`}
          rows={4}
          value={notes}
          maxLength={20_000}
          placeholder="What was tried, and what came of it"
          onChange={(event) => setTyped(event.target.value)}
          className="w-full min-w-0 rounded-lg border border-border-strong bg-surface px-3 py-2 text-base placeholder:text-muted"
        />
      </Field>
      <div className="flex items-center gap-3">
        <Button
          disabled={notes === run.notes || change.isPending}
          onClick={() => change.mutate({ run, changes: { notes } }, { onSuccess: () => setTyped(null) })}
        >
          Keep notes
        </Button>
        <span role="status" className="text-sm text-muted">
          {typed !== null && typed !== run.notes ? "Not kept yet" : null}
        </span>
      </div>
    </div>
  );
}
