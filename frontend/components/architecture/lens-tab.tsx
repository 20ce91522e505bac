"use client";

import { useState } from "react";

import { useWide } from "@/components/tokenizer/use-wide";
import { Card } from "@/components/ui/card";
import { Skeleton } from "@/components/ui/skeleton";
import { Empty, Failure } from "@/components/ui/states";
import { useLens, useRested } from "@/lib/architecture-queries";
import type { Lens } from "@/lib/architecture-types";
import { lensMeasure, LENS_MEASURES } from "@/lib/lens-view";
import { cn } from "@/lib/utils";

import { AttributionCard } from "./attribution-card";
import type { Place } from "./heat-grid";
import type { LabProps } from "./lab-props";
import { LensBoard } from "./lens-board";
import { ModelText } from "./model-text";

const REST_MS = 250;
const TOP = 8;

/** What the model would say if it had to answer after each layer, for every token of the text. */
export function LensTab({ text, onText, models, current, query, onQuery }: LabProps) {
  const wide = useWide();
  const rested = useRested(text, REST_MS);
  const asks = rested !== "" && current.runnable;
  const answer = useLens(asks ? { model: current.ref, text: rested, top: TOP } : null);
  const lens = asks ? answer.data : undefined;
  const [chosen, setChosen] = useState<{ of: Lens; place: Place } | null>(null);
  const picked = chosen && chosen.of === lens ? chosen.place : null;
  const pick = (place: Place | null) => setChosen(lens && place ? { of: lens, place } : null);
  const model = models.find(({ ref }) => ref === lens?.asked.model) ?? current;

  return (
    <>
      <ModelText
        text={text}
        onText={onText}
        models={models}
        current={current}
        onModel={(ref) => onQuery({ model: ref })}
      />
      {asks && answer.isError ? (
        <Failure
          what="The model could not be looked into."
          error={answer.error}
          retry={() => void answer.refetch()}
        />
      ) : null}
      {rested === "" ? (
        <Card>
          <Empty title="No text yet">Type above, or begin with one of the examples.</Empty>
        </Card>
      ) : lens ? (
        <div
          className={cn(
            "grid items-start gap-4 lg:grid-cols-12",
            answer.isPlaceholderData && "opacity-70 transition-opacity duration-100",
          )}
        >
          <LensBoard
            lens={lens}
            model={model}
            measure={lensMeasure(query.get("by"))}
            wide={wide}
            picked={picked}
            onPick={pick}
            onMeasure={(key) => onQuery({ by: key === LENS_MEASURES[0].key ? null : key })}
          />
          <AttributionCard
            lens={lens}
            asked={{ model: lens.asked.model, text: lens.asked.text ?? "" }}
            position={picked?.[1] ?? lens.tokens.length - 1}
            encoder={model.architecture === "encoder"}
            onPosition={(position) => pick([picked?.[0] ?? lens.layers.length - 1, position])}
            className="lg:col-span-12"
          />
        </div>
      ) : asks && !answer.isError ? (
        <Waiting />
      ) : null}
    </>
  );
}

function Waiting() {
  return (
    <div className="grid gap-4 lg:grid-cols-12">
      <Skeleton className="h-96 rounded-xl lg:col-span-8" />
      <Skeleton className="h-96 rounded-xl max-lg:hidden lg:col-span-4" />
      <Skeleton className="h-96 rounded-xl lg:col-span-12" />
    </div>
  );
}
