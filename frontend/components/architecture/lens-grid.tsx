"use client";

import { useCallback, useMemo } from "react";

import type { Lens } from "@/lib/architecture-types";
import { formatNumber } from "@/lib/format";
import { heat } from "@/lib/lens-heat";
import { firstRight, type LensMeasure, lensScale, shareWords, tokenWords, trueToken } from "@/lib/lens-view";

import { HeatGrid, type Place } from "./heat-grid";

const MOST_TALL = 7; // so few rows may be taller

/** A row for each layer, a column for each token: in the cell the best guess for what comes after that token. */
export function LensGrid({
  lens,
  measure,
  vocabulary,
  encoder,
  wide,
  active,
  onPeek,
  onPick,
}: {
  lens: Lens;
  measure: LensMeasure;
  vocabulary: number;
  encoder: boolean;
  wide: boolean;
  active: Place | null;
  onPeek?: (place: Place | null) => void;
  onPick: (place: Place) => void;
}) {
  const { layers, tokens } = lens;
  const rows = useMemo(
    () => layers.map(({ name, title }) => ({ key: name, label: title, about: name })),
    [layers],
  );
  const columns = useMemo(
    () =>
      tokens.map(({ id, text }, at) => ({
        key: `${at}.${id}`,
        label: tokenWords(text),
        about: `Token ${formatNumber(at)}: ${tokenWords(text)}`,
      })),
    [tokens],
  );
  const scale = useMemo(() => lensScale({ layers }, vocabulary), [layers, vocabulary]);
  const firsts = useMemo(() => tokens.map((_, column) => firstRight(layers, column)), [layers, tokens]);
  const cell = useCallback(
    (row: number, column: number) => {
      const found = layers[row]?.positions[column];
      const guess = found?.top[0];
      if (!found || !guess) return null;
      const first = firsts[column] === row;
      return {
        text: tokenWords(guess.text),
        name: `${layers[row]!.title}, after ${tokenWords(tokens[column]!.text)}: ${tokenWords(guess.text)}, ${shareWords(guess.probability)}${first ? ", the final guess for the first time" : ""}`,
        colour: heat(measure.share(found, scale)),
        mark: first,
      };
    },
    [layers, tokens, firsts, measure, scale],
  );
  const foot = useMemo(() => {
    const words = (column: number) => {
      const token = trueToken(tokens, column, encoder);
      return token ? tokenWords(token.text) : null;
    };
    const label = encoder ? "Stands there" : "Comes next";
    return {
      label,
      text: (column: number) => words(column) ?? "?",
      name: (column: number) =>
        words(column) === null ? "the text ends here" : `${label.toLowerCase()}: ${words(column)}`,
    };
  }, [tokens, encoder]);
  return (
    <div className="pb-1 pl-4 sm:pl-5">
      <HeatGrid
        label="Guesses: layers by tokens"
        corner={encoder ? "At" : "After"}
        rows={rows}
        columns={columns}
        cell={cell}
        width={wide ? 72 : 64}
        height={layers.length <= MOST_TALL ? 36 : 30}
        labelWidth={wide ? 92 : 76}
        active={active}
        onPeek={onPeek}
        onPick={onPick}
        foot={foot}
      />
    </div>
  );
}
