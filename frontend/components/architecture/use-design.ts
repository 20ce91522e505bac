"use client";

import { useCallback, useEffect, useMemo, useReducer, useRef, useState } from "react";

import { defaultsOf, fieldsOf, type FormField } from "@/components/config-form/schema";
import {
  beginning,
  decodeSettings,
  type Design,
  encodeSettings,
  type Plan,
  readPlan,
  stepped,
  writePlan,
} from "@/lib/architecture-config";
import { useAnalysis, usePresets, useSchema } from "@/lib/architecture-queries";
import type { Config, PresetInfo } from "@/lib/architecture-types";

const PRESET = "preset:";
const REST_MS = 300;
const NOTHING: Config = {};

/** The preset of a name or of one of its other names. */
export function presetOf(presets: readonly PresetInfo[], ref: string | null): PresetInfo | null {
  if (!ref?.startsWith(PRESET)) return null;
  const name = ref.slice(PRESET.length);
  return presets.find((preset) => preset.name === name || preset.aliases.includes(name)) ?? null;
}

interface Base {
  /** What the changes are held against; null until it is known. */
  config: Config | null;
  fields: readonly FormField[];
  error: unknown;
  retry: () => void;
}

/** The configuration that a design starts from: the defaults, a preset's or a model's own. */
export function useBase(from: string | null): Base {
  const schema = useSchema();
  const presets = usePresets();
  const isPreset = from?.startsWith(PRESET) ?? false;
  const model = useAnalysis(from && !isPreset ? { model: from } : null);
  const fields = useMemo(() => (schema.data ? fieldsOf(schema.data) : []), [schema.data]);
  const preset = presetOf(presets.data ?? [], from);
  const own =
    from === null
      ? NOTHING
      : isPreset
        ? preset?.config
        : model.data?.asked.model === from
          ? model.data.config
          : undefined;
  const config = useMemo(
    () => (fields.length && own ? { ...defaultsOf(fields), ...own } : null),
    [fields, own],
  );
  const unknown =
    isPreset && presets.data && !preset
      ? new Error(`There is no preset ${from?.slice(PRESET.length)}.`)
      : null;
  const failed = [schema, model, ...(isPreset ? [presets] : [])].filter((query) => query.isError);
  return {
    config,
    fields,
    error: failed[0]?.error ?? unknown,
    retry: () => failed.forEach((query) => void query.refetch()),
  };
}

const designOf = (query: URLSearchParams): Design => ({
  from: query.get("from"),
  changes: decodeSettings(query.get("set")),
});
const keyOf = (design: Design, plan: Plan): string =>
  JSON.stringify([design.from, encodeSettings(design.changes), writePlan(plan)]);

/** The design under one's hands with its history; the address follows it, and it follows the address. */
export function useDesign(query: URLSearchParams, onQuery: (changes: Record<string, string | null>) => void) {
  const [history, dispatch] = useReducer(stepped, query, (first) => beginning(designOf(first)));
  const [plan, setPlan] = useState(() => readPlan(query.get("for")));
  const design = history.now;
  const here = keyOf(designOf(query), readPlan(query.get("for")));
  const mine = keyOf(design, plan);
  const written = useRef(here);
  const latest = useRef({ design, plan, query, onQuery });
  useEffect(() => {
    latest.current = { design, plan, query, onQuery };
  });

  // An address that somebody else wrote (a link, the way back) is read …
  useEffect(() => {
    if (here === written.current) return;
    written.current = here;
    dispatch({ do: "visit", design: designOf(latest.current.query) });
    setPlan(readPlan(latest.current.query.get("for")));
  }, [here]);
  // … and one's own is written once the hands rest.
  useEffect(() => {
    if (mine === written.current) return undefined;
    const timer = setTimeout(() => {
      const now = latest.current;
      written.current = mine;
      now.onQuery({
        from: now.design.from,
        set: encodeSettings(now.design.changes),
        for: writePlan(now.plan),
      });
    }, REST_MS);
    return () => clearTimeout(timer);
  }, [mine]);

  const start = useCallback((next: Design) => dispatch({ do: "start", design: next }), []);
  const change = useCallback(
    (base: Config, name: string, value: unknown) =>
      dispatch({ do: "change", base, name, value, at: Date.now() }),
    [],
  );
  return {
    design,
    plan,
    setPlan,
    start,
    change,
    undo: useCallback(() => dispatch({ do: "undo" }), []),
    redo: useCallback(() => dispatch({ do: "redo" }), []),
    canUndo: history.past.length > 0,
    canRedo: history.future.length > 0,
  };
}

/** The newest value that there was: what is on the screen stays while the next one is on its way or is wrong. */
export function useKept<T>(value: T | undefined): T | undefined {
  const [kept, setKept] = useState(value);
  if (value !== undefined && value !== kept) setKept(value);
  return value ?? kept;
}
