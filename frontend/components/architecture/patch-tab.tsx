"use client";

import { useState } from "react";

import { Card } from "@/components/ui/card";
import { Empty } from "@/components/ui/states";
import { usePatch, useRested } from "@/lib/architecture-queries";
import type { Intervention, PatchPart } from "@/lib/architecture-types";
import { readEdits, runnable, toggleEdit, writeEdits } from "@/lib/patch-edits";
import { exampleOf } from "@/lib/patch-examples";
import { withQuery } from "@/lib/utils";

import type { LabProps } from "./lab-props";
import { PatchEdits } from "./patch-edits";
import { PatchPicture } from "./patch-picture";
import { PatchResult } from "./patch-result";
import { PatchSweep } from "./patch-sweep";
import { PatchTexts } from "./patch-texts";

const REST_MS = 250;

/** Change parts of a model while it runs, and see what that does to its guess. */
export function PatchTab(props: LabProps) {
  const { text, onText, current, query, onQuery } = props;
  const [other, setOther] = useState(() => query.get("other") ?? partner(text));
  const [past, setPast] = useState<readonly (string | null)[]>([]);
  const [reading, setReading] = useState<number | null>(null);
  const edits = readEdits(query.get("edits"), current);
  const restedText = useRested(text, REST_MS);
  const restedOther = useRested(other, REST_MS);
  const ready = restedText !== "" && current.runnable;

  const change = (next: readonly Intervention[], more: Record<string, string | null> = {}) => {
    setPast([...past.slice(-49), query.get("edits")]);
    onQuery({ edits: writeEdits(next), ...more });
  };
  const undo = () => {
    const last = past.at(-1);
    if (last === undefined) return;
    setPast(past.slice(0, -1));
    onQuery({ edits: last });
  };
  const setBoth = (next: { text: string; other: string; part?: PatchPart }) => {
    onText(next.text);
    setOther(next.other);
    setReading(null);
    setPast([]);
    onQuery({ other: next.other, edits: null, ...(next.part ? { part: next.part } : {}) });
  };

  const active = runnable(edits, restedOther);
  const patched = usePatch(
    ready
      ? {
          model: current.ref,
          text: restedText,
          interventions: active,
          ...(restedOther && active.some(({ kind }) => kind === "patch") ? { source_text: restedOther } : {}),
          ...(reading === null ? {} : { position: reading }),
        }
      : null,
  );
  const tokens = (ready && patched.data?.tokens) || [];

  return (
    <>
      <PatchTexts
        {...props}
        other={other}
        onOther={(next) => {
          setOther(next);
          setReading(null);
        }}
        onRest={() => onQuery({ other: other || null })}
        onBoth={setBoth}
        onReading={setReading}
      />
      {restedText === "" ? (
        <Card>
          <Empty title="No text yet">Type above, or begin with one of the pairs.</Empty>
        </Card>
      ) : current.runnable ? (
        <>
          <div className="grid items-start gap-4 lg:grid-cols-12">
            <div className="flex min-w-0 flex-col gap-4 lg:col-span-7">
              <PatchPicture
                model={current}
                tokens={tokens}
                edits={edits}
                hasOther={other !== ""}
                onToggle={(edit) => change(toggleEdit(edits, edit))}
              />
              <PatchEdits
                edits={edits}
                tokens={tokens}
                other={other}
                canUndo={past.length > 0}
                link={() =>
                  window.location.origin +
                  withQuery("/architecture/", {
                    ...Object.fromEntries(query),
                    model: current.ref,
                    text,
                    other,
                  })
                }
                onUndo={undo}
                onRemove={(edit) => change(edits.filter((item) => item !== edit))}
                onClear={() => change([])}
              />
            </div>
            <PatchResult
              patched={patched}
              edits={active}
              reading={reading}
              onReading={setReading}
              className="lg:sticky lg:top-18 lg:col-span-5"
            />
          </div>
          <PatchSweep
            model={current}
            text={restedText}
            other={restedOther}
            reading={reading}
            part={query.get("part")}
            edits={edits}
            onPart={(part) => onQuery({ part })}
            onApply={(edit) => change(toggleEdit(edits, edit))}
            onExample={setBoth}
          />
        </>
      ) : null}
    </>
  );
}

/** The other half of an example, where the text is one. */
function partner(text: string): string {
  const example = exampleOf(text);
  return example ? (example.text === text ? example.other : example.text) : "";
}
