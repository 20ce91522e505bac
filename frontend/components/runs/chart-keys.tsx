"use client";

import { type KeyboardEvent, type RefObject, useState } from "react";
import type uPlot from "uplot";

import type { Axis } from "@/lib/metrics";
import type { Click } from "@/lib/run-pick";

import { placeWords } from "./chart-options";

const STRIDES: Record<string, number> = { ArrowLeft: -1, ArrowRight: 1, PageDown: -25, PageUp: 25 };

/** A way over a chart's points without a mouse: arrows move the cross-hair, Enter opens what is there. */
export function ChartKeys({
  plot,
  title,
  axis,
  onPick,
}: {
  plot: RefObject<uPlot | null>;
  title: string;
  axis: Axis;
  onPick: (click: Click) => void;
}) {
  const [{ place, at, last }, setPlace] = useState({ place: -1, at: 0, last: 1 });
  const move = (next: number) => {
    const chart = plot.current;
    const places = chart?.data[0];
    if (!chart || !places?.length) return;
    const kept = Math.max(0, Math.min(places.length - 1, next));
    const value = places[kept] as number;
    setPlace({ place: kept, at: value, last: places.length - 1 });
    chart.setCursor({ left: chart.valToPos(value, "x"), top: chart.over.clientHeight / 2 });
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const count = plot.current?.data[0].length ?? 0;
    const from = place < 0 ? count - 1 : place;
    if (event.key === "Enter") onPick({ at, value: 0, unitX: Infinity, unitY: Infinity, logY: false });
    else if (event.key === "Home") move(0);
    else if (event.key === "End") move(count - 1);
    else if (event.key in STRIDES) move(from + (STRIDES[event.key] as number));
    else return;
    event.preventDefault();
  };
  return (
    <div
      role="slider"
      tabIndex={0}
      aria-label={`Points of ${title}`}
      aria-valuemin={0}
      aria-valuemax={last}
      aria-valuenow={Math.max(place, 0)}
      aria-valuetext={`${placeWords(axis, at)}; Enter opens it`}
      onKeyDown={onKeyDown}
      onFocus={() => move(place < 0 ? Infinity : place)}
      onBlur={() => plot.current?.setCursor({ left: -10, top: -10 })}
      className="pointer-events-none absolute inset-0 rounded-lg"
    />
  );
}
