"use client";

import { SlidersHorizontal } from "lucide-react";
import Link from "next/link";

import { titled } from "@/components/architecture/design-bar";
import { presetOf } from "@/components/architecture/use-design";
import { ConfigForm } from "@/components/config-form/config-form";
import type { FormField } from "@/components/config-form/schema";
import { Button } from "@/components/ui/button";
import { Card, CardHeader } from "@/components/ui/card";
import { Select } from "@/components/ui/field";
import { Skeleton } from "@/components/ui/skeleton";
import { Failure } from "@/components/ui/states";
import { encodeSettings, labHref, withChange } from "@/lib/architecture-config";
import { useLabModels, usePresets } from "@/lib/architecture-queries";
import { idleFields, resolvedFields, WORDS } from "@/lib/architecture-shape";
import type { Config } from "@/lib/architecture-types";
import { type Draft, OF_TOKENIZER } from "@/lib/run-draft";

const OWN = "own";
/** Pre-training is of decoders, and the tokenizer says its part. */
const FIXED = [...OF_TOKENIZER, "architecture", "encoder_layers"];

/** The shape of the model: a preset, one of one's own, or what the Architecture page sent. */
export function ArchitectureCard({
  draft,
  base,
  fields,
  error,
  retry,
  problems,
  general,
  onChange,
}: {
  draft: Draft;
  /** What the changes are held against; null until it is known. */
  base: Config | null;
  fields: readonly FormField[];
  error: unknown;
  retry: () => void;
  problems: Readonly<Record<string, string>>;
  /** What is wrong with the shape as a whole. */
  general: string | undefined;
  onChange: (changes: Partial<Draft>) => void;
}) {
  const presets = usePresets();
  const models = useLabModels();
  const known = presetOf(presets.data ?? [], draft.from);
  const own =
    models.data?.filter(
      ({ ref, architecture }) => !ref.startsWith("preset:") && architecture === "decoder",
    ) ?? [];
  const value = draft.from === null ? OWN : known ? `preset:${known.name}` : draft.from;
  const listed = value === OWN || known !== null || own.some(({ ref }) => ref === value);
  const shown = fields.filter(({ name }) => !FIXED.includes(name));
  const values = base ? { ...base, ...draft.changes } : null;

  return (
    <Card className="overflow-hidden">
      <CardHeader title="Architecture" note="its vocabulary is the tokenizer's">
        <Button asChild size="sm">
          <Link href={labHref({ from: draft.from, set: encodeSettings(draft.changes) })}>
            <SlidersHorizontal aria-hidden /> Open in Architecture
          </Link>
        </Button>
      </CardHeader>
      <div className="flex flex-wrap items-center gap-3 px-4 pt-1 pb-3 sm:px-5">
        <Select
          aria-label="Architecture to start from"
          value={value}
          onChange={(event) =>
            onChange({ from: event.target.value === OWN ? null : event.target.value, changes: {} })
          }
          className="w-72 max-sm:w-full"
        >
          <option value={OWN}>A small one, trained in minutes</option>
          {listed ? null : <option value={value}>{value}</option>}
          {own.length ? (
            <optgroup label="Shaped like a model of yours">
              {own.map((model) => (
                <option key={model.ref} value={model.ref}>
                  {titled(model.name, model.parameters)}
                </option>
              ))}
            </optgroup>
          ) : null}
          <optgroup label="Presets">
            {presets.data
              ?.filter((preset) => (preset.config["architecture"] ?? "decoder") === "decoder")
              .map((preset) => (
                <option key={preset.name} value={`preset:${preset.name}`}>
                  {titled(preset.title, preset.parameters)}
                </option>
              ))}
          </optgroup>
        </Select>
        <p className="min-w-48 flex-1 text-sm text-pretty text-muted">
          {known?.about ?? "Its settings can be changed here or drawn on the Architecture page."}
        </p>
      </div>
      {general ? <p className="px-4 pb-3 text-sm text-bad sm:px-5">{general}</p> : null}
      {error ? (
        <Failure className="m-4" what="There is nothing to begin with." error={error} retry={retry} />
      ) : null}
      {!error && !values ? <Skeleton className="m-4 h-40" /> : null}
      {values && base ? (
        <div className="border-t">
          <ConfigForm
            name="architecture"
            fields={shown}
            values={values}
            base={base}
            problems={problems}
            resolved={resolvedFields(values)}
            idle={idleFields(values)}
            words={WORDS}
            open={["Size"]}
            onChange={(name, next) => onChange({ changes: withChange(base, draft.changes, name, next) })}
          />
        </div>
      ) : null}
    </Card>
  );
}
