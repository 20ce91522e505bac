"use client";

import { useState } from "react";

import { Info } from "@/components/tokenizer/info";
import { Card, CardHeader } from "@/components/ui/card";
import { Choice } from "@/components/ui/toggle-group";
import { against, LETTERS } from "@/lib/architecture-compare";
import type { Analysis, Comparison } from "@/lib/architecture-types";
import { formatBytes, formatNumber, formatShort } from "@/lib/format";
import { cn } from "@/lib/utils";

import { colourOf, componentTitle } from "./component-colours";
import { Letter } from "./letter";

type Measure = "parameters" | "flops" | "memory" | "run";

interface Slice {
  name: string;
  value: number;
}

const MEASURES: Record<
  Measure,
  { label: string; about: string; format: (value: number) => string; slices: (analysis: Analysis) => Slice[] }
> = {
  parameters: {
    label: "Parameters",
    about: "Counted on the modules that would be built; a tied head once.",
    format: formatShort,
    slices: ({ parameters }) =>
      parameters.by_component.map(({ component, count }) => ({ name: component, value: count })),
  },
  flops: {
    label: "Operations",
    about:
      "Of a forward pass for one token at the chosen context; a multiplication and an addition count two.",
    format: formatShort,
    slices: ({ flops }) =>
      flops.by_component.map(({ component, forward }) => ({ name: component, value: forward })),
  },
  memory: {
    label: "Memory to train",
    about: "Weights, gradients, optimizer, activations and logits of the chosen batch.",
    format: formatBytes,
    slices: ({ memory }) =>
      (["weights", "gradients", "optimizer", "activations", "logits"] as const).map((name) => ({
        name,
        value: memory[name],
      })),
  },
  run: {
    label: "Memory to run",
    about: "Weights and the KV cache of one sequence of the chosen context.",
    format: formatBytes,
    slices: ({ memory }) => [
      { name: "weights", value: memory.inference - memory.kv_cache_at_context },
      { name: "KV cache", value: memory.kv_cache_at_context },
    ],
  },
};

const MEMORY_COLOURS: Record<string, string> = {
  weights: "--chart-1",
  gradients: "--chart-2",
  optimizer: "--chart-4",
  activations: "--chart-3",
  logits: "--chart-5",
  "KV cache": "--chart-5",
};

/** One measure of all of them on one scale, part by part, and what each part is against the first one's. */
export function CompareBars({ comparison, className }: { comparison: Comparison; className?: string }) {
  const [measure, setMeasure] = useState<Measure>("parameters");
  const { about, format, slices } = MEASURES[measure];
  const all = comparison.items.map(({ analysis }) => slices(analysis));
  const names = [...new Set(all.flat().map((slice) => slice.name))].filter((name) =>
    all.some((one) => valueOf(one, name) > 0),
  );
  const colour = (name: string, place: number) =>
    measure === "memory" || measure === "run"
      ? (MEMORY_COLOURS[name] ?? "--muted")
      : /score|mix/.test(name)
        ? "--chart-5"
        : colourOf(name, place);
  const totals = all.map((one) => one.reduce((sum, slice) => sum + slice.value, 0));
  const most = Math.max(1, ...totals);

  return (
    <Card className={cn("overflow-hidden", className)}>
      <CardHeader title="Side by side" note="on one scale">
        <Info name={MEASURES[measure].label} about={about} />
      </CardHeader>
      <div className="px-4 pb-1 sm:px-5">
        <Choice
          label="What is compared"
          value={measure}
          onChange={setMeasure}
          options={(Object.keys(MEASURES) as Measure[]).map((value) => ({
            value,
            label: MEASURES[value].label,
          }))}
        />
      </div>
      <ul className="flex flex-col gap-3 px-4 pt-3 pb-4 sm:px-5">
        {comparison.items.map((item, place) => (
          <li key={place} className="grid grid-cols-[24px_minmax(0,1fr)] items-center gap-x-2.5">
            <Letter place={place} />
            <div className="min-w-0">
              <div className="flex items-baseline justify-between gap-3 text-sm">
                <span className="truncate">{item.label}</span>
                <span className="shrink-0 figures">
                  <span className="font-semibold" title={formatNumber(totals[place])}>
                    {format(totals[place]!)}
                  </span>
                  <span className="ml-2 inline-block w-16 text-right text-muted">
                    {place ? against(totals[place]!, totals[0]!) : ""}
                  </span>
                </span>
              </div>
              <div
                role="img"
                aria-label={`${item.label}: ${format(totals[place]!)}; ${all[place]!.filter(
                  (slice) => slice.value > 0,
                )
                  .map((slice) => `${slice.name} ${format(slice.value)}`)
                  .join(", ")}`}
                className="mt-1 h-4 overflow-hidden rounded-md bg-surface-2"
              >
                <div
                  className="flex h-full gap-px [transition:width_120ms]"
                  style={{ width: `${(100 * totals[place]!) / most}%` }}
                >
                  {names.map((name, index) => {
                    const value = valueOf(all[place]!, name);
                    return value > 0 ? (
                      <span
                        key={name}
                        title={`${componentTitle(name)}: ${format(value)}`}
                        className="h-full"
                        style={{
                          width: `${(100 * value) / (totals[place] || 1)}%`,
                          background: `var(${colour(name, index)})`,
                        }}
                      />
                    ) : null;
                  })}
                </div>
              </div>
            </div>
          </li>
        ))}
      </ul>
      <div className="overflow-x-auto border-t" tabIndex={0} role="region" aria-label="By part, table">
        <table className="w-full min-w-max text-sm figures">
          <thead>
            <tr className="text-xs text-muted">
              <th className="sticky left-0 bg-surface px-4 py-1.5 text-left font-medium sm:px-5">
                Part, against A
              </th>
              {comparison.items.map((item, place) => (
                <th key={place} className="px-3 py-1.5 text-right font-medium last:pr-5">
                  <span title={item.label}>{LETTERS[place]}</span>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {names.map((name, index) => (
              <tr key={name} className="border-t">
                <th scope="row" className="sticky left-0 bg-surface px-4 py-1 text-left font-normal sm:px-5">
                  <span
                    aria-hidden
                    className="mr-2 inline-block size-2.5 rounded-sm"
                    style={{ background: `var(${colour(name, index)})` }}
                  />
                  {componentTitle(name)}
                </th>
                {all.map((one, place) => {
                  const value = valueOf(one, name);
                  return (
                    <td key={place} className="px-3 py-1 text-right whitespace-nowrap last:pr-5">
                      <span title={formatNumber(value)}>{format(value)}</span>
                      {place ? (
                        <span className="ml-2 inline-block min-w-14 text-xs text-muted">
                          {against(value, valueOf(all[0]!, name))}
                        </span>
                      ) : null}
                    </td>
                  );
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Card>
  );
}

const valueOf = (slices: readonly Slice[], name: string): number =>
  slices.find((slice) => slice.name === name)?.value ?? 0;
