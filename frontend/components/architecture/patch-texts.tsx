"use client";

import { ArrowLeftRight } from "lucide-react";

import { Button } from "@/components/ui/button";
import { Card } from "@/components/ui/card";
import type { PatchPart } from "@/lib/architecture-types";
import { exampleOf, PATCH_EXAMPLES } from "@/lib/patch-examples";

import type { LabProps } from "./lab-props";
import { AboutModel, ModelSelect } from "./model-select";
import { TextField } from "./text-field";

/** The text that is changed, and the one that values are taken from. */
export function PatchTexts({
  text,
  onText,
  models,
  current,
  onQuery,
  other,
  onOther,
  onRest,
  onBoth,
  onReading,
}: LabProps & {
  other: string;
  onOther: (text: string) => void;
  /** The other text is left: it goes into the address. */
  onRest: () => void;
  onBoth: (texts: { text: string; other: string; part?: PatchPart }) => void;
  onReading: (position: number | null) => void;
}) {
  const example = exampleOf(text);
  const known = example && (other === example.other || other === example.text) && other !== text;
  return (
    <Card className="p-4 pt-3 sm:px-5">
      <div className="flex flex-wrap items-center gap-x-4 gap-y-2">
        <div className="flex flex-wrap items-center gap-1" role="group" aria-label="Examples">
          {PATCH_EXAMPLES.map((pair) => (
            <Button
              key={pair.name}
              look={pair === example ? "soft" : "ghost"}
              size="sm"
              aria-pressed={pair === example}
              onClick={() => onBoth(pair)}
            >
              {pair.name}
            </Button>
          ))}
        </div>
        <ModelSelect
          id="model"
          label="Model"
          value={current.ref}
          models={models}
          onChange={(ref) => onQuery({ model: ref, edits: null })}
          className="ml-auto w-64 max-sm:w-full"
        />
      </div>
      <div className="mt-2 grid items-start gap-x-4 gap-y-3 lg:grid-cols-2">
        <TextField
          id="text"
          label="Text"
          value={text}
          onChange={(next) => {
            onReading(null);
            onText(next);
          }}
          model={current}
          rows={2}
          examples={[]}
        />
        <div onBlur={onRest}>
          <TextField
            id="other"
            label="Other text"
            value={other}
            onChange={onOther}
            model={current}
            rows={2}
            examples={[]}
          >
            <Button
              look="ghost"
              size="sm"
              disabled={other === ""}
              onClick={() => onBoth({ text: other, other: text })}
            >
              <ArrowLeftRight aria-hidden /> Swap
            </Button>
          </TextField>
        </div>
      </div>
      <AboutModel model={current} className="mt-3 border-t pt-2.5" />
      {known && !current.random ? (
        <p className="mt-2 text-sm text-pretty">
          <span className="font-medium">What one sees:</span> {example.about}
        </p>
      ) : null}
    </Card>
  );
}
