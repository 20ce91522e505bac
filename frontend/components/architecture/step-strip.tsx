"use client";

import { memo, useLayoutEffect, useRef } from "react";

import { makeCanvas, readRamp, signedPlaceOf } from "@/lib/attention-ramp";
import { cn } from "@/lib/utils";

import { useThemeClass } from "./use-theme-class";

/** A few numbers as a strip of heat, zero in the middle of the scale; for the eye only. */
export const StepStrip = memo(function StepStrip({
  values,
  className,
}: {
  values: readonly number[];
  className?: string;
}) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const theme = useThemeClass();
  useLayoutEffect(() => {
    const target = canvas.current;
    const ramp = readRamp("signed");
    const pen = target?.getContext("2d");
    if (!target || !pen || !ramp || !values.length || !makeCanvas(1, 1)) return;
    const most = Math.max(...values.map(Math.abs)) || 1;
    const image = pen.createImageData(values.length, 1);
    const pixels = new Uint32Array(image.data.buffer);
    for (const [at, value] of values.entries()) pixels[at] = ramp[signedPlaceOf(value / most)]!;
    pen.putImageData(image, 0, 0);
  }, [values, theme]);
  return (
    <canvas
      ref={canvas}
      aria-hidden
      width={Math.max(1, values.length)}
      height={1}
      className={cn("h-3 w-full rounded-[3px] [image-rendering:pixelated]", className)}
    />
  );
});
