/** What a form needs to know of a JSON schema, as Pydantic writes it: kinds of fields, bounds, groups, help. */

/** A JSON schema, as far as the form reads it. */
export interface Schema {
  type?: string;
  title?: string;
  description?: string;
  /** Heading under which a field stands; not of the standard. */
  group?: string;
  enum?: unknown[];
  const?: unknown;
  default?: unknown;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
  items?: Schema;
  anyOf?: Schema[];
  allOf?: Schema[];
  $ref?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  $defs?: Record<string, Schema>;
}

export type FieldKind =
  | "integer"
  | "number"
  | "boolean"
  | "choice"
  | "list"
  /** Texts, one a line. */
  | "lines"
  | "object"
  | "text";

export interface FormField {
  name: string;
  label: string;
  help: string;
  group: string;
  kind: FieldKind;
  /** It may be empty (null). */
  optional: boolean;
  required: boolean;
  fallback: unknown;
  minimum?: number;
  maximum?: number;
  /** The bounds themselves are not allowed. */
  open: { minimum: boolean; maximum: boolean };
  options: readonly string[];
  /** The fields of an object. */
  fields: readonly FormField[];
}

const OTHER = "Settings";
const SHORT: Record<string, string> = {
  kv: "KV",
  qk: "QK",
  qkv: "QKV",
  ffn: "FFN",
  rope: "RoPE",
  id: "id",
  lr: "LR",
};

/** "kv_heads" as "KV heads". */
export function labelOf(name: string): string {
  const words = name.split("_").map((word) => SHORT[word] ?? word);
  const [first = "", ...rest] = words;
  return [
    first === first.toLowerCase() ? first.charAt(0).toUpperCase() + first.slice(1) : first,
    ...rest,
  ].join(" ");
}

/** Follows references and takes "or null" apart. */
function settled(schema: Schema, root: Schema): { schema: Schema; optional: boolean } {
  let found = schema;
  let optional = false;
  for (let depth = 0; depth < 8; depth += 1) {
    const target = found.$ref ?? (found.allOf?.length === 1 ? found.allOf[0]?.$ref : undefined);
    if (target) {
      const inner = root.$defs?.[target.split("/").at(-1) ?? ""] ?? {};
      found = { ...inner, ...found, $ref: undefined, allOf: undefined };
    } else if (found.anyOf) {
      const real = found.anyOf.filter((item) => item.type !== "null");
      optional ||= real.length < found.anyOf.length;
      found = { ...real[0], ...found, anyOf: undefined };
    } else break;
  }
  return { schema: found, optional };
}

function kindOf(schema: Schema): FieldKind {
  if (schema.enum) return "choice";
  if (schema.type === "integer" || schema.type === "number" || schema.type === "boolean") return schema.type;
  if (schema.type === "array") return schema.items?.type === "string" ? "lines" : "list";
  return schema.type === "object" || schema.properties ? "object" : "text";
}

/** The fields of an object's schema in their order; those of nested objects inside. */
export function fieldsOf(schema: Schema, root: Schema = schema): FormField[] {
  const required = new Set(schema.required);
  return Object.entries(schema.properties ?? {}).map(([name, raw]) => {
    const { schema: field, optional } = settled(raw, root);
    const kind = kindOf(field);
    return {
      name,
      label: labelOf(name),
      help: raw.description ?? field.description ?? "",
      group: raw.group ?? OTHER,
      kind,
      optional,
      required: required.has(name),
      fallback: raw.default ?? field.default ?? null,
      minimum: field.minimum ?? field.exclusiveMinimum,
      maximum: field.maximum ?? field.exclusiveMaximum,
      open: {
        minimum: field.minimum === undefined && field.exclusiveMinimum !== undefined,
        maximum: field.maximum === undefined && field.exclusiveMaximum !== undefined,
      },
      options: (field.enum ?? []).map(String),
      fields: kind === "object" ? fieldsOf(field, root) : [],
    };
  });
}

/** The fields by their groups, in the order in which the groups first come. */
export function grouped(fields: readonly FormField[]): [string, FormField[]][] {
  const groups = new Map<string, FormField[]>();
  for (const field of fields) groups.set(field.group, [...(groups.get(field.group) ?? []), field]);
  return [...groups];
}

/** What a field has when nothing is said: its default, for an object those of its fields. */
export function defaultsOf(fields: readonly FormField[]): Record<string, unknown> {
  return Object.fromEntries(fields.map((field) => [field.name, field.fallback]));
}

/** What an object gets when it is switched on: the defaults, and for what has none the least it may be. */
export function begun(fields: readonly FormField[]): Record<string, unknown> {
  return Object.fromEntries(
    fields
      .filter((field) => field.required || field.fallback !== null)
      .map((field) => [field.name, field.fallback ?? field.options[0] ?? field.minimum ?? 0]),
  );
}

/** A typed text as the value of a field; undefined while it is none. */
export function parsed(field: Pick<FormField, "kind" | "optional">, text: string): unknown {
  const trimmed = text.trim();
  if (field.kind === "lines") return text.split("\n").filter((line) => line.trim() !== "");
  if (field.kind === "list") {
    if (trimmed === "") return [];
    const numbers = trimmed.split(/[\s,;]+/).map(Number);
    return numbers.every(Number.isInteger) ? numbers : undefined;
  }
  if (trimmed === "") return field.optional ? null : undefined;
  if (field.kind === "text") return text;
  const number = Number(trimmed.replace(/(\d)[_,\s](?=\d{3}\b)/g, "$1"));
  if (!Number.isFinite(number) || (field.kind === "integer" && !Number.isInteger(number))) return undefined;
  return number;
}

/** A value as it is typed. */
export function written(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (!Array.isArray(value)) return String(value);
  return value.join(value.some((item) => typeof item === "string") ? "\n" : ", ");
}

const same = (left: unknown, right: unknown): boolean => JSON.stringify(left) === JSON.stringify(right);
export { same };

/** The bounds in words, for what is said beside a field. */
export function boundsOf(field: FormField): string {
  const { minimum, maximum, open } = field;
  const said = (value: number) => (Number.isInteger(value) ? value.toLocaleString("en-US") : String(value));
  const low = minimum === undefined ? "" : `${open.minimum ? "above" : "from"} ${said(minimum)}`;
  const high = maximum === undefined ? "" : `${open.maximum ? "below" : "to"} ${said(maximum)}`;
  return [low, high].filter(Boolean).join(" ");
}
