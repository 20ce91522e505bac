"use client";

import { useState } from "react";

import { ConfigForm } from "@/components/config-form/config-form";
import { type FormField, same } from "@/components/config-form/schema";
import { CopyButton } from "@/components/copy-button";
import { useWide } from "@/components/tokenizer/use-wide";
import { Card, CardHeader } from "@/components/ui/card";
import { Choice } from "@/components/ui/toggle-group";
import { idleFields, resolvedFields, WORDS } from "@/lib/architecture-shape";
import type { Config } from "@/lib/architecture-types";
import { toYaml } from "@/lib/format";
import { cn } from "@/lib/utils";

const NAME = "architecture";
const OPEN = ["Size", "Attention", "Feed-forward"];
const OPEN_ON_PHONES = ["Size"];

/** The settings as a form, or as the YAML that they are. */
export function SettingsCard({
  fields,
  base,
  values,
  problems,
  wished,
  onWished,
  onChange,
  summary,
  className,
}: {
  fields: readonly FormField[];
  base: Config;
  values: Config;
  problems: Readonly<Record<string, string>>;
  /** A setting that somebody wants to see; it gets the focus. */
  wished: string | null;
  onWished: () => void;
  onChange: (name: string, value: unknown) => void;
  /** The main figures, at hand where the totals are out of sight. */
  summary: string;
  className?: string;
}) {
  const wide = useWide();
  const [view, setView] = useState<"form" | "yaml">("form");
  if (wished && view !== "form") setView("form");
  const count = fields.filter(({ name }) => !same(values[name], base[name])).length;

  return (
    <Card className={cn("flex min-h-0 flex-col overflow-clip", className)} aria-label="Settings">
      <CardHeader
        title="Settings"
        note={
          <span className="figures">
            <span className="xl:hidden">{summary}</span>
            {count ? <span className="max-xl:hidden">{count} changed</span> : null}
          </span>
        }
        className="max-xl:sticky max-xl:top-14 max-xl:z-10 max-xl:bg-surface"
      >
        <Choice
          label="Settings as"
          value={view}
          onChange={setView}
          options={[
            { value: "form", label: "Form" },
            { value: "yaml", label: "YAML" },
          ]}
        />
      </CardHeader>
      {view === "form" ? (
        <div className="min-h-0 overflow-y-auto border-t">
          <ConfigForm
            name={NAME}
            fields={fields}
            values={values}
            base={base}
            problems={problems}
            resolved={resolvedFields(values)}
            idle={idleFields(values)}
            words={WORDS}
            open={wide ? OPEN : OPEN_ON_PHONES}
            reveal={wished}
            onRevealed={onWished}
            onChange={onChange}
          />
        </div>
      ) : (
        <div className="relative min-h-0 overflow-y-auto border-t">
          <pre tabIndex={0} aria-label="Settings as YAML" className="px-4 py-3 font-mono text-sm sm:px-5">
            {toYaml(values)}
          </pre>
          <div className="absolute top-2 right-2">
            <CopyButton iconOnly label="Copy YAML" text={toYaml(values)} />
          </div>
        </div>
      )}
    </Card>
  );
}
