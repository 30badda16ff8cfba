/** Turns a task's JSON Schema into the fields of a form, and what stands in these into parameters and back. */

export interface Schema {
  type?: string | readonly string[];
  title?: string;
  description?: string;
  default?: unknown;
  enum?: readonly unknown[];
  const?: unknown;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
  maxLength?: number;
  anyOf?: readonly Schema[];
  oneOf?: readonly Schema[];
  allOf?: readonly Schema[];
  $ref?: string;
  $defs?: Record<string, Schema>;
  properties?: Record<string, Schema>;
}

interface Common {
  name: string;
  title: string;
  description: string;
  /** What it is where nobody says anything. */
  usual: unknown;
  /** Said of an empty field: "measured in the picture". Null where it may not be empty. */
  absent: string | null;
}

export interface NumberField extends Common {
  kind: "number";
  whole: boolean;
  least: number | null;
  most: number | null;
}

export type Field =
  | NumberField
  | (Common & { kind: "choice"; options: readonly unknown[] })
  | (Common & { kind: "switch" })
  | (Common & { kind: "text"; longest: number | null })
  /** A value that can't be another, or of a kind that no form is known for: it is sent as it is. */
  | (Common & { kind: "fixed"; value: unknown; constant: boolean });

export function fieldsOf(schema: Schema): Field[] {
  return Object.entries(schema.properties ?? {}).map(([name, own]) => fieldOf(name, own, schema));
}

function fieldOf(name: string, own: Schema, root: Schema): Field {
  const { schema, nullable } = unfolded(own, root);
  const { description, absent } = whenEmpty(schema.description ?? "");
  const common = { name, title: schema.title ?? name, description, usual: schema.default, absent: nullable ? absent : null };
  if (schema.const !== undefined) return { ...common, kind: "fixed", value: schema.const, constant: true };
  if (schema.enum !== undefined) return { ...common, kind: "choice", options: schema.enum.filter((option) => option !== null) };
  if (schema.type === "boolean" && !nullable) return { ...common, kind: "switch" };
  if (schema.type === "boolean") return { ...common, kind: "choice", options: [true, false] };
  if (schema.type === "string") return { ...common, kind: "text", longest: schema.maxLength ?? null };
  if (schema.type !== "number" && schema.type !== "integer") return { ...common, kind: "fixed", value: schema.default, constant: false };
  const least = schema.minimum ?? schema.exclusiveMinimum ?? null;
  return { ...common, kind: "number", whole: schema.type === "integer", least, most: schema.maximum ?? schema.exclusiveMaximum ?? null };
}

/** Without references, and without the ways to say that there may be no value. What the outer one says goes first. */
function unfolded(node: Schema, root: Schema): { schema: Schema; nullable: boolean } {
  const { $ref, anyOf, oneOf, allOf, ...own } = node;
  const target = $ref === undefined ? undefined : root.$defs?.[$ref.replace("#/$defs/", "")];
  const branches = anyOf ?? oneOf ?? allOf ?? [];
  const real = branches.filter(({ type }) => type !== "null");
  const inner = target ?? (real.length === 1 ? real[0] : undefined);
  const below = inner === undefined ? { schema: {}, nullable: false } : unfolded(inner, root);
  const schema = { ...below.schema, ...own };
  const types = Array.isArray(schema.type) ? (schema.type as readonly string[]) : null;
  const named = types?.filter((type) => type !== "null");
  const nullable = below.nullable || real.length < branches.length || types?.includes("null") === true || schema.enum?.includes(null) === true;
  return { schema: named === undefined ? schema : { ...schema, type: named.length === 1 ? named[0]! : named }, nullable };
}

/** A contract tells in a sentence what happens without a value; the form says it in the field itself. */
function whenEmpty(description: string): { description: string; absent: string } {
  const found = /\s*Left out, it is ([^.]+)\./.exec(description);
  return found === null ? { description, absent: "automatic" } : { description: description.replace(found[0], "").trim(), absent: found[1]! };
}

/** What stands in the form: numbers as the person typed them, all else as it is. */
export function inputOf(field: Field, value: unknown): unknown {
  const given = value === undefined ? field.usual : value;
  if (field.kind === "fixed") return field.constant ? field.value : given;
  if (field.kind === "number" || field.kind === "text") return given === null || given === undefined ? "" : String(given);
  return given === undefined ? null : given;
}

export type Found = { value: unknown } | { trouble: string };

/** The value that is meant, or in words why there is none. */
export function valueOf(field: Field, input: unknown): Found {
  const text = typeof input === "string" ? input.trim() : input;
  if (text === "" && field.absent !== null) return { value: null };
  if (field.kind === "choice") return field.options.includes(input) || (input === null && field.absent !== null) ? { value: input } : { trouble: "Choose one." };
  if (field.kind !== "number") return { value: field.kind === "text" ? text : input };
  const number = text === "" ? NaN : Number(String(text).replace(",", "."));
  const fits = number >= (field.least ?? -Infinity) && number <= (field.most ?? Infinity) && Number.isFinite(number);
  if (fits && (!field.whole || Number.isInteger(number))) return { value: number };
  return { trouble: `Write a ${field.whole ? "whole number" : "number"}${between(field)}.` };
}

function between({ least, most }: NumberField): string {
  if (least !== null && most !== null) return ` from ${least} to ${most}`;
  if (least !== null) return ` of ${least} or more`;
  return most === null ? "" : ` of ${most} or less`;
}

/** What may stand there, under the field: "From 0 to 255, usually 100." */
export function hintOf(field: Field): string {
  if (field.kind !== "number") return "";
  const { least, most, usual } = field;
  const range = least !== null && most !== null ? `from ${least} to ${most}` : between(field).replace(" of ", "");
  const said = typeof usual === "number" ? `usually ${usual}` : "";
  const all = [range, said].filter(Boolean).join(", ");
  return all === "" ? "" : `${capital(all)}.`;
}

/** How far a slider moves at once: whole numbers by one, others in 50 to 500 steps of a round size. Null: it has no ends. */
export function strideOf({ whole, least, most }: NumberField): number | null {
  if (least === null || most === null || most <= least) return null;
  const round = 10 ** Math.floor(Math.log10((most - least) / 50));
  return whole ? Math.max(1, round) : round;
}

export function said(field: Field, value: unknown): string {
  if (value === null || value === undefined || value === "") return field.absent ?? "nothing";
  if (typeof value === "boolean") return value ? "yes" : "no";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

export function capital(words: string): string {
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** What a step does otherwise than usual: "strength 15". */
export function unusual(schema: Schema, parameters: Record<string, unknown>): string {
  return fieldsOf(schema)
    .filter(({ name, usual }) => parameters[name] !== undefined && parameters[name] !== usual)
    .map((field) => `${field.title.toLowerCase()} ${said(field, parameters[field.name])}`)
    .join(", ");
}
