"use client";

import { Download, Plus, X } from "lucide-react";
import { useMemo } from "react";

import { Info } from "@/components/tokenizer/info";
import { Button } from "@/components/ui/button";
import { Card } from "@/components/ui/card";
import { Select } from "@/components/ui/field";
import { Skeleton } from "@/components/ui/skeleton";
import { Failure } from "@/components/ui/states";
import { comparedRefs, comparisonCsv, LETTER_COLOURS, LETTERS, MINE, MOST } from "@/lib/architecture-compare";
import { decodeSettings, type Plan, planned, readPlan, writePlan } from "@/lib/architecture-config";
import { useArchitectures, useLabModels, usePresets } from "@/lib/architecture-queries";
import type { CompareRequest, LabModel, PresetInfo } from "@/lib/architecture-types";
import { save } from "@/lib/download";
import { formatBytes, formatNumber, formatShort } from "@/lib/format";
import { cn } from "@/lib/utils";

import { CompareBars } from "./compare-bars";
import { CompareFields } from "./compare-fields";
import { titled } from "./design-bar";
import type { ShapeProps } from "./lab-props";
import { Letter } from "./letter";
import { PRECISIONS } from "./totals";
import { useBase, useKept } from "./use-design";
import { XyChart } from "./xy-chart";

/** Two to six architectures side by side: settings, weights, operations, memory, and the cache as it grows. */
export function CompareTab({ query, onQuery }: ShapeProps) {
  const presets = usePresets();
  const models = useLabModels();
  const from = query.get("from");
  const set = query.get("set");
  const base = useBase(from);
  const plan = readPlan(query.get("for"));
  const hasMine = from !== null || set !== null;
  const refs = comparedRefs(query.get("with"), hasMine);
  const choose = (next: readonly string[]) => onQuery({ with: next.join(",") });
  const onPlan = (next: Plan) => onQuery({ for: writePlan(next) });

  const needsMine = refs.includes(MINE);
  const mine = useMemo(
    () => (base.config ? { ...base.config, ...decodeSettings(set) } : null),
    [base.config, set],
  );
  const all = options(presets.data ?? [], models.data ?? []);
  const known = presets.data !== undefined && models.data !== undefined;
  const request: CompareRequest | null =
    known && (!needsMine || mine)
      ? ({
          architectures: refs.map((ref) => ({
            label: all.find((item) => item.ref === ref)?.name ?? ref,
            ...(ref === MINE ? { config: mine } : { model: ref }),
          })),
          ...planned(plan),
        } as CompareRequest)
      : null;
  const answer = useArchitectures(request);
  const comparison = useKept(answer.data);
  const next = all.find((item) => !refs.includes(item.ref))?.ref ?? null;
  const trouble = [presets, models, answer].find((item) => item.isError);

  return (
    <>
      <Card className="p-4 sm:px-5">
        <ul className="grid gap-x-4 gap-y-2.5 md:grid-cols-2 xl:grid-cols-3">
          {refs.map((ref, place) => (
            <li key={place} className="flex min-w-0 items-center gap-2">
              <Letter place={place} />
              <Select
                aria-label={`Architecture ${LETTERS[place]}`}
                value={ref}
                onChange={(event) =>
                  choose(refs.map((item, at) => (at === place ? event.target.value : item)))
                }
                className="min-w-0 flex-1"
              >
                {GROUPS.map((group) => {
                  const items = all.filter(
                    (item) => item.group === group && (item.ref === ref || !refs.includes(item.ref)),
                  );
                  return items.length ? (
                    <optgroup key={group} label={group}>
                      {items.map((item) => (
                        <option key={item.ref} value={item.ref}>
                          {item.parameters === null ? item.name : titled(item.name, item.parameters)}
                        </option>
                      ))}
                    </optgroup>
                  ) : null;
                })}
                {all.some((item) => item.ref === ref) ? null : <option value={ref}>{ref}</option>}
              </Select>
              <Button
                look="ghost"
                size="icon"
                aria-label={`Take ${LETTERS[place]} out`}
                disabled={refs.length <= 2}
                onClick={() => choose(refs.filter((_, at) => at !== place))}
              >
                <X />
              </Button>
            </li>
          ))}
        </ul>
        <div className="mt-3 flex flex-wrap items-center gap-x-4 gap-y-2.5 border-t pt-3">
          <Button
            size="sm"
            disabled={refs.length >= MOST || next === null}
            onClick={() => next && choose([...refs, next])}
          >
            <Plus aria-hidden /> Add an architecture
          </Button>
          <At plan={plan} onPlan={onPlan} />
          <Button
            size="sm"
            className="ml-auto"
            disabled={!comparison}
            onClick={() =>
              comparison &&
              save(new Blob([comparisonCsv(comparison)], { type: "text/csv" }), "architectures.csv")
            }
          >
            <Download aria-hidden /> Save CSV
          </Button>
        </div>
      </Card>
      {trouble ? (
        <Failure
          what="The architectures could not be compared."
          error={trouble.error}
          retry={() => void trouble.refetch()}
        />
      ) : null}
      {comparison ? (
        <>
          <div className={cn("grid gap-4 xl:grid-cols-12", answer.isPlaceholderData && "opacity-60")}>
            <CompareBars comparison={comparison} className="xl:col-span-7" />
            <Card className="overflow-hidden xl:col-span-5">
              <XyChart
                title="KV cache"
                note="one sequence, both axes logarithmic"
                file="kv-caches"
                xName="tokens"
                yName="bytes"
                height={360}
                xLog={2}
                yLog
                formatX={formatShort}
                formatY={formatBytes}
                lines={comparison.kv_curves.map((curve, place) => ({
                  label: curve.label,
                  colour: LETTER_COLOURS[place]!,
                  points: curve.points.map(({ context: x, bytes }) => ({ x, y: bytes })),
                }))}
                marks={comparison.kv_curves.flatMap(({ points }, place) => {
                  const end = points.at(-1);
                  return end && end.bytes > 0
                    ? {
                        x: end.context,
                        y: end.bytes,
                        label: LETTERS[place]!,
                        colour: LETTER_COLOURS[place]!,
                        side: "left" as const,
                      }
                    : [];
                })}
              >
                <Info
                  name="The KV cache"
                  about="Each line ends at the context of its model. It bends where layers with a window stop growing."
                />
              </XyChart>
            </Card>
          </div>
          <CompareFields comparison={comparison} />
        </>
      ) : trouble ? null : (
        <div className="grid gap-4 xl:grid-cols-12">
          <Skeleton className="h-[440px] rounded-xl xl:col-span-7" />
          <Skeleton className="h-[440px] rounded-xl xl:col-span-5" />
          <Skeleton className="h-80 rounded-xl xl:col-span-12" />
        </div>
      )}
    </>
  );
}

interface Option {
  ref: string;
  name: string;
  group: (typeof GROUPS)[number];
  parameters: number | null;
}

const GROUPS = ["Yours", "Your models", "Presets"] as const;

function options(presets: readonly PresetInfo[], models: readonly LabModel[]): Option[] {
  return [
    { ref: MINE, name: "Your configuration", group: "Yours", parameters: null },
    ...models
      .filter((model) => !model.ref.startsWith("preset:"))
      .map(({ ref, name, parameters }): Option => ({ ref, name, group: "Your models", parameters })),
    ...presets.map(({ name, title, parameters }): Option => ({
      ref: `preset:${name}`,
      name: title,
      group: "Presets",
      parameters,
    })),
  ];
}

const CONTEXTS = [128, 512, 1024, 2048, 4096, 8192, 32_768];

/** What the figures are worked out for: the same for all, so that they can be compared. */
function At({ plan, onPlan }: { plan: Plan; onPlan: (plan: Plan) => void }) {
  const contexts = plan.context && !CONTEXTS.includes(plan.context) ? [plan.context, ...CONTEXTS] : CONTEXTS;
  return (
    <div className="flex flex-wrap items-center gap-x-2 gap-y-2 text-sm">
      <span className="text-muted">compared at</span>
      <Select
        aria-label="Context"
        value={plan.context ?? ""}
        onChange={(event) => onPlan({ ...plan, context: Number(event.target.value) || null })}
        className="[&>select]:h-8 [&>select]:text-sm"
      >
        <option value="">each one&apos;s context</option>
        {contexts.map((size) => (
          <option key={size} value={size}>
            {formatNumber(size)} tokens
          </option>
        ))}
      </Select>
      <Select
        aria-label="Precision"
        value={plan.precision}
        onChange={(event) => onPlan({ ...plan, precision: event.target.value })}
        className="[&>select]:h-8 [&>select]:text-sm"
      >
        {Object.entries(PRECISIONS).map(([value, words]) => (
          <option key={value} value={value}>
            {words}
          </option>
        ))}
      </Select>
    </div>
  );
}
