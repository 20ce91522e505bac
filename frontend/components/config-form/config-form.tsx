"use client";

import { ChevronRight, RotateCcw } from "lucide-react";
import { type ReactNode, useEffect, useId, useState } from "react";

import { Info } from "@/components/tokenizer/info";
import { Badge } from "@/components/ui/badge";
import { Input, Select } from "@/components/ui/field";
import { cn } from "@/lib/utils";

import { begun, boundsOf, type FormField, grouped, parsed, same, written } from "./schema";

export interface FormProps {
  /** For ids and screen readers. */
  name: string;
  fields: readonly FormField[];
  values: Record<string, unknown>;
  /** What the values are held against: a field that differs is marked and can be put back. */
  base: Record<string, unknown>;
  /** What is wrong, by the dotted name of the field. */
  problems?: Readonly<Record<string, string>>;
  /** What an empty field comes to, by name. */
  resolved?: Readonly<Record<string, string>>;
  /** Options in words. */
  words?: Readonly<Record<string, string>>;
  /** Fields that say nothing with these values, by name, with the reason. */
  idle?: Readonly<Record<string, string>>;
  /** Groups that are unfolded at first. */
  open?: readonly string[];
  /** A field that is to be shown and to get the focus. */
  reveal?: string | null;
  onRevealed?: () => void;
  onChange: (name: string, value: unknown) => void;
}

/** A form for any configuration, from its JSON schema: groups that fold, help, bounds, problems in place. */
export function ConfigForm({ fields, open = [], reveal = null, onRevealed, ...props }: FormProps) {
  const [folded, setFolded] = useState<Record<string, boolean>>({});
  const [revealed, setRevealed] = useState<string | null>(null);
  if (reveal !== revealed) {
    setRevealed(reveal);
    const group = fields.find((field) => field.name === reveal)?.group;
    if (group) setFolded({ ...folded, [group]: false });
  }
  useEffect(() => {
    if (!reveal) return;
    const field = document.getElementById(`${props.name}-${reveal}`);
    field?.scrollIntoView({ block: "center" });
    field?.focus({ preventScroll: true });
    onRevealed?.();
  }, [reveal, onRevealed, props.name]);
  return (
    <div className="divide-y">
      {grouped(fields).map(([group, items]) => {
        const changed = items.filter((item) => !same(props.values[item.name], props.base[item.name])).length;
        const wrong = items.some((item) => isWrong(item.name, props.problems));
        const shown = wrong || !(folded[group] ?? !open.includes(group));
        return (
          <Group
            key={group}
            title={group}
            changed={changed}
            shown={shown}
            onToggle={() => setFolded({ ...folded, [group]: shown })}
          >
            {items.map((field) => (
              <Row key={field.name} field={field} {...props} />
            ))}
          </Group>
        );
      })}
    </div>
  );
}

const isWrong = (name: string, problems: FormProps["problems"]): boolean =>
  Object.keys(problems ?? {}).some((place) => place === name || place.startsWith(`${name}.`));

function Group({
  title,
  changed,
  shown,
  onToggle,
  children,
}: {
  title: string;
  changed: number;
  shown: boolean;
  onToggle: () => void;
  children: ReactNode;
}) {
  const id = useId();
  return (
    <section aria-label={title}>
      <h3>
        <button
          type="button"
          aria-expanded={shown}
          aria-controls={id}
          onClick={onToggle}
          className="flex h-10 w-full items-center gap-2 px-4 text-left text-sm font-semibold hover:bg-surface-2 focus-visible:outline-offset-[-3px] sm:px-5"
        >
          <ChevronRight
            aria-hidden
            className={cn("size-4 text-muted transition-transform duration-100", shown && "rotate-90")}
          />
          {title}
          {changed ? (
            <Badge tone="accent" className="ml-auto figures">
              {changed} changed
            </Badge>
          ) : null}
        </button>
      </h3>
      <div id={id} hidden={!shown} className="flex flex-col gap-2.5 px-4 pt-1 pb-4 sm:px-5">
        {shown ? children : null}
      </div>
    </section>
  );
}

type RowProps = Omit<FormProps, "fields" | "open" | "reveal" | "onRevealed"> & { field: FormField };

function Row({ field, ...props }: RowProps) {
  const { values, base, problems, idle, onChange } = props;
  const id = `${props.name}-${field.name}`;
  const value = values[field.name] ?? null;
  const problem = problems?.[field.name];
  const changed = !same(value, base[field.name] ?? null);
  const set = (next: unknown) => onChange(field.name, next);
  if (field.kind === "object") return <Nested field={field} value={value} changed={changed} {...props} />;
  return (
    <div className="group/row">
      <div className={cn("flex gap-2", field.kind === "lines" ? "flex-col gap-1" : "min-h-8 items-center")}>
        <FieldName
          id={id}
          field={field}
          changed={changed}
          idle={idle?.[field.name]}
          before={written(base[field.name]) || "empty"}
          onPutBack={() => set(base[field.name] ?? null)}
        />
        <Control
          field={field}
          id={id}
          value={value}
          wrong={Boolean(problem)}
          words={props.words}
          resolved={props.resolved}
          onChange={set}
        />
      </div>
      {problem ? <Problem id={`${id}-problem`}>{problem}</Problem> : null}
    </div>
  );
}

/** The label, what the field is for, and the way back to what it was. */
function FieldName({
  id,
  field,
  changed,
  before,
  idle,
  onPutBack,
}: {
  id: string;
  field: FormField;
  changed: boolean;
  before: string;
  idle?: string;
  onPutBack: () => void;
}) {
  const bounds = boundsOf(field);
  return (
    <span className="flex min-w-0 flex-1 items-center gap-1.5">
      <label htmlFor={id} className={cn("truncate text-sm", changed && "font-medium", idle && "text-muted")}>
        {field.label}
      </label>
      <Info
        name={field.label}
        about={
          <>
            {field.help} {bounds ? `${bounds.charAt(0).toUpperCase()}${bounds.slice(1)}. ` : ""}
            {idle ? `${idle} ` : ""}
            <span className="font-mono">{field.name}</span>
          </>
        }
      />
      {changed ? (
        <button
          type="button"
          aria-label={`Put ${field.label} back to ${before}`}
          title={`Put back: ${before}`}
          onClick={onPutBack}
          className="grid size-5 shrink-0 place-items-center rounded-md text-accent-ink hover:bg-accent-soft"
        >
          <RotateCcw aria-hidden className="size-3.5" />
        </button>
      ) : null}
    </span>
  );
}

function OnOff({
  checked,
  onChange,
  ...state
}: {
  id: string;
  checked: boolean;
  "aria-invalid"?: boolean;
  "aria-describedby"?: string;
  onChange: (checked: boolean) => void;
}) {
  return (
    <input
      {...state}
      type="checkbox"
      role="switch"
      checked={checked}
      onChange={(event) => onChange(event.target.checked)}
      className="relative h-5 w-9 shrink-0 appearance-none rounded-full bg-border-strong transition-colors duration-100 before:block before:size-4 before:translate-x-0.5 before:translate-y-0.5 before:rounded-full before:bg-surface before:transition-transform before:duration-100 checked:bg-accent checked:before:translate-x-4.5"
    />
  );
}

function Problem({ id, children }: { id: string; children: ReactNode }) {
  return (
    <p id={id} className="mt-1 text-xs text-pretty text-bad">
      {children}
    </p>
  );
}

const WIDTH = "w-[46%] max-w-44 shrink-0";

function Control({
  field,
  id,
  value,
  wrong,
  words,
  resolved,
  onChange,
}: Pick<RowProps, "field" | "words" | "resolved"> & {
  id: string;
  value: unknown;
  wrong: boolean;
  onChange: (value: unknown) => void;
}) {
  const said = (option: string) => words?.[option] ?? option;
  const state = { id, "aria-invalid": wrong, "aria-describedby": wrong ? `${id}-problem` : undefined };
  if (field.kind === "choice" || (field.kind === "boolean" && field.optional)) {
    const options = field.kind === "choice" ? field.options : ["true", "false"];
    return (
      <Select
        {...state}
        value={value === null ? "" : String(value)}
        onChange={(event) => {
          const next = event.target.value;
          if (next === "") onChange(null);
          else onChange(field.kind === "boolean" ? next === "true" : next);
        }}
        className={cn(WIDTH, "[&>select]:h-8 [&>select]:text-sm")}
      >
        {field.optional ? <option value="">{auto(resolved?.[field.name])}</option> : null}
        {options.map((option) => (
          <option key={option} value={option}>
            {field.kind === "boolean" ? (option === "true" ? "yes" : "no") : said(option)}
          </option>
        ))}
      </Select>
    );
  }
  if (field.kind === "boolean") {
    return <OnOff {...state} checked={value === true} onChange={onChange} />;
  }
  if (field.kind === "lines") return <Lines {...state} field={field} value={value} onChange={onChange} />;
  return (
    <Typed
      {...state}
      field={field}
      value={value}
      placeholder={field.optional ? auto(resolved?.[field.name]) : field.kind === "list" ? "none" : undefined}
      onChange={onChange}
    />
  );
}

const auto = (value: string | undefined): string => (value ? `auto: ${value}` : "none");

const STEPS: Record<string, number> = { ArrowUp: 1, ArrowDown: -1 };

/** A number or a list of them; what is typed on the way to one changes nothing. */
function Typed({
  field,
  value,
  placeholder,
  onChange,
  ...state
}: {
  field: FormField;
  id: string;
  value: unknown;
  placeholder?: string;
  "aria-invalid": boolean;
  "aria-describedby"?: string;
  onChange: (value: unknown) => void;
}) {
  const [typed, setTyped] = useState<string | null>(null);
  const text = typed ?? written(value);
  const broken = typed !== null && parsed(field, typed) === undefined;
  return (
    <Input
      {...state}
      aria-invalid={state["aria-invalid"] || broken}
      value={text}
      placeholder={placeholder}
      inputMode={field.kind === "integer" ? "numeric" : field.kind === "number" ? "decimal" : "text"}
      autoComplete="off"
      spellCheck={false}
      onChange={(event) => {
        setTyped(event.target.value);
        const next = parsed(field, event.target.value);
        if (next !== undefined) onChange(next);
      }}
      onKeyDown={(event) => {
        const step = STEPS[event.key];
        if (!step || field.kind !== "integer" || typeof value !== "number") return;
        event.preventDefault();
        setTyped(null);
        onChange(stepped(value, step * (event.shiftKey ? 10 : 1), field));
      }}
      onBlur={() => setTyped(null)}
      className={cn(WIDTH, "h-8 px-2.5 text-right text-sm figures placeholder:text-muted")}
    />
  );
}

/** Texts, one a line; an empty line on the way to the next stays while one types. */
function Lines({
  field,
  value,
  onChange,
  ...state
}: {
  field: FormField;
  id: string;
  value: unknown;
  "aria-invalid": boolean;
  "aria-describedby"?: string;
  onChange: (value: unknown) => void;
}) {
  const [typed, setTyped] = useState<string | null>(null);
  const text = typed ?? written(value);
  return (
    <textarea
      {...state}
      value={text}
      rows={Math.min(6, Math.max(2, text.split("\n").length))}
      placeholder="none; one a line"
      spellCheck={false}
      onChange={(event) => {
        setTyped(event.target.value);
        onChange(parsed(field, event.target.value));
      }}
      onBlur={() => setTyped(null)}
      className="w-full min-w-0 rounded-lg border border-border-strong bg-surface px-2.5 py-1.5 text-sm placeholder:text-muted aria-invalid:border-bad"
    />
  );
}

/** The next whole number within the bounds. */
function stepped(value: number, by: number, { minimum, maximum }: FormField): number {
  return Math.min(maximum ?? Infinity, Math.max(minimum ?? -Infinity, value + by));
}

/** A part of the configuration that may be there or not, with fields of its own. */
function Nested({ field, value, changed, ...props }: RowProps & { value: unknown; changed: boolean }) {
  const id = `${props.name}-${field.name}`;
  const on = value !== null && typeof value === "object";
  const inner = on ? (value as Record<string, unknown>) : {};
  const set = (next: unknown) => props.onChange(field.name, next);
  const problems = Object.fromEntries(
    Object.entries(props.problems ?? {})
      .filter(([place]) => place.startsWith(`${field.name}.`))
      .map(([place, said]) => [place.slice(field.name.length + 1), said]),
  );
  const before = props.base[field.name];
  const base = (before !== null && typeof before === "object" ? before : begun(field.fields)) as Record<
    string,
    unknown
  >;
  return (
    <div>
      <div className="flex min-h-8 items-center gap-2">
        <FieldName
          id={id}
          field={field}
          changed={changed}
          before={before ? "what it was" : "none"}
          onPutBack={() => set(before ?? null)}
        />
        {field.optional ? (
          <OnOff id={id} checked={on} onChange={(next) => set(next ? begun(field.fields) : null)} />
        ) : null}
      </div>
      {props.problems?.[field.name] ? (
        <Problem id={`${id}-problem`}>{props.problems[field.name]}</Problem>
      ) : null}
      {on ? (
        <div className="mt-1.5 flex flex-col gap-2 border-l-2 pl-3">
          {field.fields.map((item) => (
            <Row
              key={item.name}
              {...props}
              field={item}
              name={id}
              values={inner}
              base={base}
              problems={problems}
              idle={undefined}
              resolved={undefined}
              onChange={(name, next) => set({ ...inner, [name]: next })}
            />
          ))}
        </div>
      ) : null}
    </div>
  );
}
