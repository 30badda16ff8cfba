/** A recipe while somebody writes it: steps with what stands in their forms, and what is wrong with them. */
import type { Problem, RecipeStep, Task } from "@atelier/sdk";
import type { RecipeBody } from "../app/recipes";
import { type Schema, fieldsOf, inputOf, valueOf } from "./fields";

export interface DraftStep {
  /** Stays with the step wherever it moves. */
  key: number;
  task: string;
  inputs: Record<string, unknown>;
}

export interface Draft {
  name: string;
  steps: readonly DraftStep[];
}

export interface StepTroubles {
  step: string;
  fields: Record<string, string>;
}

export interface Troubles {
  name: string;
  /** About the steps as a whole. */
  steps: string;
  of: ReadonlyMap<number, StepTroubles>;
}

export const NO_TROUBLES: Troubles = { name: "", steps: "", of: new Map() };
export const EMPTY: Draft = { name: "", steps: [] };

let lastKey = 0;

export function newStep(task: string, tasks: readonly Task[], parameters: Record<string, unknown> = {}): DraftStep {
  const fields = fieldsOf(schemaOf(task, tasks));
  const known = Object.fromEntries(fields.map((field) => [field.name, inputOf(field, parameters[field.name])]));
  return { key: ++lastKey, task, inputs: isKnown(task, tasks) ? known : parameters };
}

export function draftOf({ name, steps }: { name: string; steps: readonly RecipeStep[] }, tasks: readonly Task[]): Draft {
  return { name, steps: steps.map(({ task, parameters }) => newStep(task, tasks, parameters)) };
}

export const isKnown = (task: string, tasks: readonly Task[]): boolean => tasks.some(({ name }) => name === task);

export function schemaOf(task: string, tasks: readonly Task[]): Schema {
  return (tasks.find(({ name }) => name === task)?.parameters_schema ?? {}) as Schema;
}

export function isSame(one: Draft, other: Draft): boolean {
  const essence = ({ name, steps }: Draft) => JSON.stringify([name, steps.map(({ task, inputs }) => [task, inputs])]);
  return essence(one) === essence(other);
}

/** The steps with one of them further up (−1) or down (1); at an end nothing changes. */
export function moved(steps: readonly DraftStep[], key: number, by: -1 | 1): readonly DraftStep[] {
  const from = steps.findIndex((step) => step.key === key);
  const to = from + by;
  if (from < 0 || to < 0 || to >= steps.length) return steps;
  const next = [...steps];
  [next[from], next[to]] = [next[to]!, next[from]!];
  return next;
}

/** What is to be sent, or what is wrong, found without asking the server. */
export function written(draft: Draft, tasks: readonly Task[]): { body: RecipeBody } | { troubles: Troubles } {
  const of = new Map<number, StepTroubles>();
  const steps = draft.steps.map(({ key, task, inputs }) => {
    if (!isKnown(task, tasks)) of.set(key, { step: "This studio can't do this any more. Choose another task, or remove the step.", fields: {} });
    const found = fieldsOf(schemaOf(task, tasks)).map((field) => [field.name, valueOf(field, inputs[field.name])] as const);
    const wrong = found.flatMap(([name, value]) => ("trouble" in value ? [[name, value.trouble]] : []));
    if (wrong.length > 0) of.set(key, { step: "", fields: Object.fromEntries(wrong) });
    return { task, parameters: Object.fromEntries(found.flatMap(([name, value]) => ("value" in value && value.value !== undefined ? [[name, value.value]] : []))) };
  });
  const name = draft.name.trim();
  const troubles = { name: name === "" ? "Give it a name." : "", steps: steps.length === 0 ? "A recipe needs a step." : "", of };
  return name === "" || steps.length === 0 || of.size > 0 ? { troubles } : { body: { name, steps } };
}

/** Where the server's refusal belongs; `steps` are those that were sent. Null: it is about none of them. */
export function troublesOf(problem: Problem, steps: readonly DraftStep[]): Troubles | null {
  const fields = Array.isArray(problem.fields) ? (problem.fields as { field: string; detail: string }[]) : [];
  const of = new Map<number, StepTroubles>();
  let [name, whole] = ["", ""];
  for (const { field, detail } of fields) {
    const [first, index, part, ...rest] = field.split(".");
    const step = first === "steps" ? steps[Number(index)] : undefined;
    if (step !== undefined) {
      const known = of.get(step.key) ?? { step: "", fields: {} };
      const parameter = part === "parameters" ? rest[0] : undefined;
      if (parameter === undefined || !(parameter in step.inputs)) known.step = sentence(detail);
      else known.fields[parameter] = sentence(detail);
      of.set(step.key, known);
    } else if (first === "name") name = sentence(detail);
    else whole = sentence(detail);
  }
  return fields.length === 0 ? null : { name, steps: whole, of };
}

const sentence = (detail: string) => (/[.!?]$/.test(detail) ? detail : `${detail}.`);

/** Without what was said of a field that is being changed. */
export function without(troubles: Troubles, key: number, field: string): Troubles {
  const known = troubles.of.get(key);
  if (known === undefined) return troubles;
  const { [field]: _gone, ...fields } = known.fields;
  return { ...troubles, of: new Map(troubles.of).set(key, { step: "", fields }) };
}
