"use client";

import { memo, useState } from "react";

import { Info } from "@/components/tokenizer/info";
import { Card, CardHeader } from "@/components/ui/card";
import { Dialog, SheetContent } from "@/components/ui/dialog";
import { Choice } from "@/components/ui/toggle-group";
import type { LabModel, Lens } from "@/lib/architecture-types";
import { firstRight, type LensMeasure, LENS_MEASURES, staysRight, tokenWords } from "@/lib/lens-view";

import type { Place } from "./heat-grid";
import { LensCellView } from "./lens-cell";
import { LensGrid } from "./lens-grid";
import { LensSave } from "./lens-save";

interface BoardProps {
  lens: Lens;
  model: LabModel;
  measure: LensMeasure;
  wide: boolean;
  /** The cell that was chosen, null before one was. */
  picked: Place | null;
  onPick: (place: Place | null) => void;
  onMeasure: (key: LensMeasure["key"]) => void;
}

/** The table of guesses, and the cell that is looked at. Pointing draws this again and nothing else of the page. */
export function LensBoard({ lens, model, measure, wide, picked, onPick, onMeasure }: BoardProps) {
  const [peeked, setPeeked] = useState<Place | null>(null);
  const encoder = model.architecture === "encoder";
  const inside = peeked && peeked[0] < lens.layers.length && peeked[1] < lens.tokens.length;
  const looked: Place = inside ? peeked : (picked ?? [lens.layers.length - 1, lens.tokens.length - 1]);
  const pick = (place: Place) => {
    setPeeked(null); // the keyboard goes on although the pointer rests on a cell
    onPick(place);
  };
  const detail = (
    <LensCellView lens={lens} place={looked} vocabulary={model.vocab_size} encoder={encoder} onMove={pick} />
  );
  return (
    <>
      <Card className="flex flex-col self-stretch overflow-hidden lg:col-span-8">
        <Head lens={lens} model={model} measure={measure} onMeasure={onMeasure} />
        <LensGrid
          lens={lens}
          measure={measure}
          vocabulary={model.vocab_size}
          encoder={encoder}
          wide={wide}
          active={looked}
          onPeek={wide ? setPeeked : undefined}
          onPick={pick}
        />
        <Sentence lens={lens} position={looked[1]} encoder={encoder} />
      </Card>
      {wide ? (
        <Card className="self-stretch lg:col-span-4">{detail}</Card>
      ) : (
        <Dialog open={picked !== null} onOpenChange={(now) => now || onPick(null)}>
          <SheetContent
            side="bottom"
            title="Guess"
            className="max-h-[80dvh] gap-0 p-0 pt-4 [&>div:first-child]:px-4"
          >
            {detail}
          </SheetContent>
        </Dialog>
      )}
    </>
  );
}

/** What stands above the table; it stays as it is while one points. */
const Head = memo(function Head({
  lens,
  model,
  measure,
  onMeasure,
}: Pick<BoardProps, "lens" | "model" | "measure" | "onMeasure">) {
  return (
    <>
      <CardHeader title="Guess after each layer">
        <Info
          name="The logit lens"
          about={`The residual stream after a layer goes straight through the final norm and the head, as if the layers that follow were not there (nostalgebraist, 2020). The last row is what the model really says. ${lens.note}`}
        />
        <LensSave lens={lens} model={model} measure={measure} />
      </CardHeader>
      <div className="flex flex-wrap items-center gap-x-4 gap-y-2 px-4 pb-3 sm:px-5">
        <Choice
          label="Colour"
          value={measure.key}
          onChange={onMeasure}
          options={LENS_MEASURES.map(({ key, label }) => ({ value: key, label }))}
        />
        <span className="flex items-center gap-2 text-xs text-muted">
          {measure.low}
          <span aria-hidden className="heat-scale h-2.5 w-24 rounded-sm" />
          {measure.high}
          <Info name={measure.label} about={measure.about} />
        </span>
      </div>
    </>
  );
});

/** In words, when a position's answer was found. */
function Sentence({ lens, position, encoder }: { lens: Lens; position: number; encoder: boolean }) {
  const first = firstRight(lens.layers, position);
  const final = lens.layers.at(-1)?.positions[position]?.top[0];
  const token = lens.tokens[position];
  if (first === null || !final || !token) return null;
  const stays = staysRight(lens.layers, position);
  return (
    <p className="mt-auto min-h-12 border-t px-4 py-3 text-sm text-pretty text-muted sm:px-5">
      <span aria-hidden className="mr-2 inline-block size-2 rounded-full bg-foreground align-middle" />
      marks where the final guess first stands. {encoder ? "At" : "After"}{" "}
      <span className="font-mono text-foreground">{tokenWords(token.text)}</span> the model says{" "}
      <span className="font-mono text-foreground">{tokenWords(final.text)}</span>:{" "}
      {first === lens.layers.length - 1
        ? "none of the layers before shows it."
        : `it is the best guess from “${lens.layers[first]!.title}” on${stays ? "" : ", with another one in between"}.`}
    </p>
  );
}
