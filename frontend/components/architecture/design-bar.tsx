"use client";

import { Download, Play, Redo2, RotateCcw, Sparkles, Undo2 } from "lucide-react";
import Link from "next/link";
import { toast } from "sonner";

import { Button } from "@/components/ui/button";
import { Card } from "@/components/ui/card";
import { Select } from "@/components/ui/field";
import { Menu, MenuContent, MenuItem, MenuTrigger } from "@/components/ui/menu";
import type { Design } from "@/lib/architecture-config";
import { useLabModels, usePresets } from "@/lib/architecture-queries";
import type { Analysis, Config } from "@/lib/architecture-types";
import { save } from "@/lib/download";
import { formatShort, toYaml } from "@/lib/format";
import { draftHref } from "@/lib/run-draft";

import { presetOf } from "./use-design";

const OWN = "own";

/** A name with its size, unless it says it itself. */
export const titled = (name: string, parameters: number): string =>
  /\d\s?[kMB]\b/.test(name) ? name : `${name} (${formatShort(parameters)})`;

interface Props {
  design: Design;
  values: Config | null;
  analysis: Analysis | undefined;
  canUndo: boolean;
  canRedo: boolean;
  asking?: boolean;
  onUndo: () => void;
  onRedo: () => void;
  onStart: (design: Design) => void;
  /** Asks what fits; without it there is no such button. */
  onAsk?: () => void;
}

/** What the design starts from, the way back and forth, and the ways out. */
export function DesignBar(props: Props) {
  const { design, values, analysis, onStart } = props;
  const presets = usePresets();
  const models = useLabModels();
  const known = presetOf(presets.data ?? [], design.from);
  const value = design.from === null ? OWN : known ? `preset:${known.name}` : design.from;
  const own = models.data?.filter((model) => !model.ref.startsWith("preset:")) ?? [];
  const changed = Object.keys(design.changes).length;
  const listed = value === OWN || known !== null || own.some((model) => model.ref === value);
  return (
    <Card className="flex flex-wrap items-center gap-x-3 gap-y-2.5 p-3 sm:px-5">
      <label htmlFor="from" className="text-sm font-medium max-sm:sr-only">
        Start from
      </label>
      <Select
        id="from"
        value={value}
        onChange={(event) =>
          onStart({ from: event.target.value === OWN ? null : event.target.value, changes: {} })
        }
        className="w-64 max-sm:w-full"
      >
        <option value={OWN}>A small one of your own</option>
        {listed ? null : <option value={value}>{value}</option>}
        {own.length ? (
          <optgroup label="Your models">
            {own.map((model) => (
              <option key={model.ref} value={model.ref}>
                {titled(model.name, model.parameters)}
              </option>
            ))}
          </optgroup>
        ) : null}
        <optgroup label="Presets">
          {presets.data?.map((preset) => (
            <option key={preset.name} value={`preset:${preset.name}`}>
              {titled(preset.title, preset.parameters)}
            </option>
          ))}
        </optgroup>
      </Select>
      <div className="flex items-center gap-0.5">
        <Button
          look="ghost"
          size="icon"
          aria-label="Undo"
          title="Undo (Ctrl Z)"
          disabled={!props.canUndo}
          onClick={props.onUndo}
        >
          <Undo2 />
        </Button>
        <Button
          look="ghost"
          size="icon"
          aria-label="Redo"
          title="Redo (Ctrl Shift Z)"
          disabled={!props.canRedo}
          onClick={props.onRedo}
        >
          <Redo2 />
        </Button>
        <Button
          look="ghost"
          size="sm"
          disabled={!changed}
          onClick={() => onStart({ from: design.from, changes: {} })}
        >
          <RotateCcw aria-hidden /> Take back {changed ? `${changed} ` : ""}
          {changed === 1 ? "change" : "changes"}
        </Button>
      </div>
      <p className="min-w-40 flex-1 text-sm text-pretty text-muted max-xl:order-last max-xl:basis-full">
        {known?.about ??
          (design.from === null
            ? "The settings' own defaults: small enough to train here in minutes."
            : "The shape of a model of this workspace; changing it here does not touch the model.")}
      </p>
      <div className="ml-auto flex items-center gap-2 max-sm:w-full">
        {props.onAsk ? (
          <Button size="sm" aria-expanded={props.asking} onClick={props.onAsk}>
            <Sparkles aria-hidden /> What fits?
          </Button>
        ) : null}
        {values ? <Export design={design} values={values} analysis={analysis} /> : null}
        {values && (values["architecture"] ?? "decoder") === "decoder" ? (
          <Button asChild size="sm" look="soft">
            <Link href={draftHref(design)}>
              <Play aria-hidden /> Train this
            </Link>
          </Button>
        ) : null}
      </div>
    </Card>
  );
}

/** The command that shows this architecture on the command line, and the file that it reads, if any. */
export function commandFor(design: Design): string {
  if (Object.keys(design.changes).length === 0 && design.from) return `llmp model show ${design.from}`;
  return "llmp model show architecture.yaml";
}

function Export({
  design,
  values,
  analysis,
}: {
  design: Design;
  values: Config;
  analysis: Analysis | undefined;
}) {
  const copy = async (what: string, text: string) => {
    try {
      await navigator.clipboard.writeText(text);
      toast.success(`Copied ${what}.`);
    } catch {
      toast.error("The browser did not allow copying.", { description: text.slice(0, 200) });
    }
  };
  const yaml = () => toYaml(values);
  const json = () => `${JSON.stringify(analysis?.hf_config, null, 2)}\n`;
  const command = commandFor(design);
  return (
    <Menu>
      <MenuTrigger asChild>
        <Button size="sm">
          <Download aria-hidden /> Export
        </Button>
      </MenuTrigger>
      <MenuContent>
        <MenuItem onSelect={() => void copy("the link", window.location.href)}>Copy link</MenuItem>
        <MenuItem onSelect={() => void copy("the YAML", yaml())}>Copy YAML</MenuItem>
        <MenuItem onSelect={() => save(new Blob([yaml()], { type: "text/yaml" }), "architecture.yaml")}>
          Save architecture.yaml
        </MenuItem>
        <MenuItem disabled={!analysis} onSelect={() => void copy("config.json", json())}>
          Copy config.json
        </MenuItem>
        <MenuItem
          disabled={!analysis}
          onSelect={() => save(new Blob([json()], { type: "application/json" }), "config.json")}
        >
          Save config.json
        </MenuItem>
        <MenuItem onSelect={() => void copy("the command", command)}>
          Copy <span className="font-mono text-xs">{command}</span>
        </MenuItem>
      </MenuContent>
    </Menu>
  );
}
