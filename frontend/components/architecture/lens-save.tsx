"use client";

import { FileDown, ImageDown } from "lucide-react";
import { toast } from "sonner";

import { Button } from "@/components/ui/button";
import type { LabModel, Lens } from "@/lib/architecture-types";
import { save } from "@/lib/download";
import { formatNumber } from "@/lib/format";
import { heat } from "@/lib/lens-heat";
import { savePicture } from "@/lib/lens-picture";
import { firstRight, lensCsv, type LensMeasure, lensScale, tokenWords } from "@/lib/lens-view";

/** The whole lens as a table or a picture, whatever part of it is in view. */
export function LensSave({ lens, model, measure }: { lens: Lens; model: LabModel; measure: LensMeasure }) {
  const picture = () => {
    const scale = lensScale(lens, model.vocab_size);
    const firsts = lens.tokens.map((_, column) => firstRight(lens.layers, column));
    return savePicture(
      {
        title: `Logit lens: ${model.name}${model.random ? " (random weights)" : ""}`,
        note: `Best guess after each layer, coloured by ${measure.label.toLowerCase()}; a dot marks where the final guess first stands.`,
        rows: lens.layers.map(({ title }) => title),
        columns: lens.tokens.map(({ text }) => tokenWords(text)),
        cell: (row, column) => {
          const found = lens.layers[row]?.positions[column];
          if (!found) return null;
          return {
            text: tokenWords(found.top[0]?.text ?? ""),
            colour: heat(measure.share(found, scale)),
            mark: firsts[column] === row,
          };
        },
        width: 72,
        height: 28,
      },
      "logit-lens.png",
    ).catch((error: unknown) =>
      toast.error("The picture could not be made.", {
        description: error instanceof Error ? error.message : String(error),
      }),
    );
  };
  return (
    <>
      <Button
        look="ghost"
        size="sm"
        onClick={() => save(new Blob([lensCsv(lens)], { type: "text/csv" }), "logit-lens.csv")}
        title={`${formatNumber(lens.layers.length * lens.tokens.length)} lines`}
      >
        <FileDown aria-hidden /> CSV
      </Button>
      <Button look="ghost" size="sm" onClick={() => void picture()}>
        <ImageDown aria-hidden /> PNG
      </Button>
    </>
  );
}
