"use client";

import { Card } from "@/components/ui/card";
import type { LabModel } from "@/lib/architecture-types";

import { AboutModel, ModelSelect } from "./model-select";
import { TextField } from "./text-field";

interface Props {
  text: string;
  onText: (text: string) => void;
  models: readonly LabModel[];
  current: LabModel;
  onModel: (ref: string) => void;
}

/** What a model is looked at with: the text, and the model that reads it. */
export function ModelText({ text, onText, models, current, onModel }: Props) {
  return (
    <Card className="flex flex-col gap-2 p-4 pt-3 sm:px-5">
      <TextField
        id="text"
        value={text}
        onChange={onText}
        model={current}
        rows={2}
        foot={<AboutModel model={current} className="justify-end" />}
      >
        <ModelSelect
          id="model"
          label="Model"
          value={current.ref}
          models={models}
          onChange={onModel}
          className="w-64 max-sm:w-full"
        />
      </TextField>
    </Card>
  );
}
