"use client";

import type { LabModel, Lens } from "@/lib/architecture-types";
import { formatNumber } from "@/lib/format";
import { heat } from "@/lib/lens-heat";
import { firstRight, lensCsv, type LensMeasure, lensScale, tokenWords } from "@/lib/lens-view";

import { PictureSave } from "./picture-save";

/** The whole lens as a table or a picture, whatever part of it is in view. */
export function LensSave({ lens, model, measure }: { lens: Lens; model: LabModel; measure: LensMeasure }) {
  const picture = () => {
    const scale = lensScale(lens, model.vocab_size);
    const firsts = lens.tokens.map((_, column) => firstRight(lens.layers, column));
    return {
      title: `Logit lens: ${model.name}${model.random ? " (random weights)" : ""}`,
      note: `Best guess after each layer, coloured by ${measure.label.toLowerCase()}; a dot marks where the final guess first stands.`,
      rows: lens.layers.map(({ title }) => title),
      columns: lens.tokens.map(({ text }) => tokenWords(text)),
      cell: (row: number, column: number) => {
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
    };
  };
  return (
    <PictureSave
      file="logit-lens"
      csv={() => lensCsv(lens)}
      picture={picture}
      about={`${formatNumber(lens.layers.length * lens.tokens.length)} lines`}
    />
  );
}
