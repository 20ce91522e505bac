/** The configuration under one's hands: what it starts from, what was changed, and how an address says so. */

import { labelOf } from "@/components/config-form/schema";

import type { Config } from "./architecture-types";
import { withQuery } from "./utils";

export const LAB = "/architecture/";

const FIRST = ["tab", "model", "from", "set", "for"];

/** An address of the lab, always in the same order; colons, commas and brackets stay readable in it. */
export function labHref(values: Record<string, string | null | undefined>): string {
  const ordered = { ...Object.fromEntries(FIRST.map((name) => [name, values[name]])), ...values };
  return withQuery(LAB, ordered).replace(/%(3A|2C|28|29|3B)/g, (found) => decodeURIComponent(found));
}

const NUMBER = /^-?\d+(\.\d+)?(e[+-]?\d+)?$/i;

function say(value: unknown): string {
  if (Array.isArray(value)) return `(${value.map(say).join(";")})`;
  return encodeURIComponent(String(value));
}

function read(text: string): unknown {
  if (text.startsWith("(") && text.endsWith(")")) {
    const inside = text.slice(1, -1);
    return inside === "" ? [] : inside.split(";").map(read);
  }
  if (text === "null") return null;
  if (text === "true" || text === "false") return text === "true";
  if (NUMBER.test(text)) return Number(text);
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a percent sign that begins nothing stands for itself
  }
}

/** "width:512,rope_scaling.type:yarn" for a few settings, null for none. */
export function encodeSettings(settings: Config): string | null {
  const parts = Object.entries(settings).flatMap(([name, value]) => {
    if (value !== null && typeof value === "object" && !Array.isArray(value)) {
      return Object.entries(value)
        .filter(([, inner]) => inner !== null && inner !== undefined)
        .map(([inner, one]) => `${name}.${inner}:${say(one)}`);
    }
    return value === undefined ? [] : [`${name}:${say(value)}`];
  });
  return parts.length ? parts.join(",") : null;
}

/** The settings that an address says; what is no setting is left out. */
export function decodeSettings(text: string | null): Config {
  const settings: Config = {};
  for (const part of (text ?? "").split(",")) {
    const cut = part.indexOf(":");
    if (cut < 1) continue;
    const [name = "", inner] = part.slice(0, cut).split(".");
    const value = read(part.slice(cut + 1));
    if (inner === undefined) settings[name] = value;
    else settings[name] = { ...(settings[name] as Config | undefined), [inner]: value };
  }
  return settings;
}

const same = (left: unknown, right: unknown): boolean =>
  JSON.stringify(left ?? null) === JSON.stringify(right ?? null);

/** The changes with one more; what is again as at the start is no change. */
export function withChange(base: Config, changes: Config, name: string, value: unknown): Config {
  const { [name]: before, ...rest } = changes;
  void before;
  return same(base[name], value) ? rest : { ...rest, [name]: value };
}

/** The changes that lead from one configuration to another. */
export function changesBetween(base: Config, wanted: Config): Config {
  return Object.fromEntries(Object.entries(wanted).filter(([name, value]) => !same(base[name], value)));
}

/** Where one is: the preset or model that it began with (null: a small one of one's own), and the changes. */
export interface Design {
  from: string | null;
  changes: Config;
}

export interface History {
  past: readonly Design[];
  now: Design;
  future: readonly Design[];
  /** What the last step changed, and when: quick changes of one field are one step. */
  last: { name: string; at: number } | null;
}

export type Step =
  | { do: "change"; base: Config; name: string; value: unknown; at: number }
  | { do: "start"; design: Design }
  | { do: "visit"; design: Design }
  | { do: "undo" }
  | { do: "redo" };

const TOGETHER_MS = 900;
const MOST = 200;

export const beginning = (design: Design): History => ({ past: [], now: design, future: [], last: null });

/** Whether two designs are the same, as their addresses are. */
export const sameDesign = (left: Design, right: Design): boolean =>
  left.from === right.from && encodeSettings(left.changes) === encodeSettings(right.changes);

/** The design's history after a step. */
export function stepped(history: History, step: Step): History {
  const { past, now, future, last } = history;
  if (step.do === "undo") {
    const before = past.at(-1);
    return before ? { past: past.slice(0, -1), now: before, future: [now, ...future], last: null } : history;
  }
  if (step.do === "redo") {
    const [next, ...rest] = future;
    return next ? { past: [...past, now], now: next, future: rest, last: null } : history;
  }
  if (step.do === "start" || step.do === "visit") {
    if (sameDesign(now, step.design)) return history;
    return { past: [...past, now].slice(-MOST), now: step.design, future: [], last: null };
  }
  const changes = withChange(step.base, now.changes, step.name, step.value);
  const next = { ...now, changes };
  if (sameDesign(now, next)) return history;
  const together = last !== null && last.name === step.name && step.at - last.at < TOGETHER_MS;
  return {
    past: together ? past : [...past, now].slice(-MOST),
    now: next,
    future: [],
    last: { name: step.name, at: step.at },
  };
}

/** How a model is trained and run, beside its shape. */
export interface Plan {
  context: number | null;
  batch: number;
  precision: string;
  optimizer: string;
  checkpointing: string;
  shards: number;
  tokens: number | null;
  device: string | null;
  utilization: number;
}

export const USUAL: Plan = {
  context: null,
  batch: 1,
  precision: "bf16",
  optimizer: "adamw",
  checkpointing: "none",
  shards: 1,
  tokens: null,
  device: null,
  utilization: 0.4,
};

/** The plan that an address says; what is missing or of another kind is as usual. */
export function readPlan(text: string | null): Plan {
  const said = decodeSettings(text);
  const plan: Record<string, unknown> = { ...USUAL };
  for (const [name, usual] of Object.entries(USUAL)) {
    const value = said[name];
    const kind = usual === null ? (name === "device" ? "string" : "number") : typeof usual;
    if (typeof value === kind) plan[name] = value;
  }
  return plan as unknown as Plan;
}

/** Only what differs from the usual plan. */
export const writePlan = (plan: Plan): string | null =>
  encodeSettings(changesBetween(USUAL as unknown as Config, plan as unknown as Config));

/** The plan as a request says it: what is left open is left out. */
export const planned = (plan: Plan) =>
  Object.fromEntries(Object.entries(plan).filter(([, value]) => value !== null)) as Partial<
    Record<keyof Plan, never>
  >;

/** The sentences of an error, each at the field that it names; what names none stands under "". */
export function problemsAt(
  error: { message: string; field: string | null; problems?: readonly { field: string; message: string }[] },
  names: ReadonlySet<string>,
): Record<string, string> {
  const found: Record<string, string> = {};
  const listed = error.problems?.length
    ? error.problems
    : [{ field: error.field ?? "", message: error.message }];
  for (const { field, message } of listed) {
    const inside = field.replace(/^(body\.)?config\./, "").replace(/^config$/, "");
    const named = /^([a-z_]+)((?:\.[a-z_]+)?)/.exec(message);
    const place = names.has(inside.split(".")[0] ?? "")
      ? inside
      : named && names.has(named[1] ?? "")
        ? named[0]
        : "";
    const said = sentence(
      named && names.has(named[1] ?? "") ? message.replace(named[1] ?? "", labelOf(named[1] ?? "")) : message,
    );
    found[place] = found[place] ? `${found[place]} ${said}` : said;
  }
  return found;
}

const sentence = (text: string): string => {
  const whole = /[.!?]$/.test(text) ? text : `${text}.`;
  return whole.charAt(0).toUpperCase() + whole.slice(1);
};
