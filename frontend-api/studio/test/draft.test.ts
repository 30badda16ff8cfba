/** A recipe while it is written: order, what is sent, where the server's refusals belong. */
import type { Task } from "@atelier/sdk";
import { describe, expect, it } from "vitest";
import { type Draft, draftOf, isSame, moved, newStep, troublesOf, without, written } from "../src/recipes/draft";

const task = (name: string, properties: object) => ({ name, title: name, description: "", version: "1", parameters_schema: { properties } }) as unknown as Task;
const TASKS = [
  task("denoise", { strength: { anyOf: [{ type: "number", minimum: 1, maximum: 75 }, { type: "null" }], default: null } }),
  task("edges", { lines: { enum: ["white", "black"], default: "white" } }),
];
const STEPS = [
  { task: "denoise", parameters: { strength: 15 } },
  { task: "edges", parameters: { lines: "black" } },
];
const draft = (): Draft => draftOf({ name: "Poster", steps: STEPS }, TASKS);
const tasksOf = (steps: Draft["steps"]) => steps.map(({ task: name }) => name);

describe("a draft", () => {
  it("is sent as it was read", () => expect(written(draft(), TASKS)).toEqual({ body: { name: "Poster", steps: STEPS } }));

  it("is the same as another with its content, whatever the keys", () => {
    expect(isSame(draft(), draft())).toBe(true);
    expect(isSame(draft(), { ...draft(), name: "Card" })).toBe(false);
    const { steps } = draft();
    expect(isSame(draft(), { name: "Poster", steps: [steps[1]!, steps[0]!] })).toBe(false);
  });

  it("moves a step by one place, and stops at both ends", () => {
    const { steps } = draft();
    expect(tasksOf(moved(steps, steps[1]!.key, -1))).toEqual(["edges", "denoise"]);
    expect(tasksOf(moved(steps, steps[0]!.key, 1))).toEqual(["edges", "denoise"]);
    expect(moved(steps, steps[0]!.key, -1)).toBe(steps);
    expect(moved(steps, steps[1]!.key, 1)).toBe(steps);
  });

  it("says what is missing before it asks the server", () => {
    expect(written({ name: " ", steps: [] }, TASKS)).toMatchObject({ troubles: { name: "Give it a name.", steps: "A recipe needs a step." } });
  });

  it("says which number of which step is none", () => {
    const step = { ...newStep("denoise", TASKS), inputs: { strength: "900" } };
    const found = written({ name: "Poster", steps: [newStep("edges", TASKS), step] }, TASKS);
    expect("troubles" in found && [...found.troubles.of]).toEqual([[step.key, { step: "", fields: { strength: "Write a number from 1 to 75." } }]]);
  });

  it("does not send a step that this studio does no more, and keeps what it was", () => {
    const step = newStep("paint", TASKS, { colour: "red" });
    expect(step.inputs).toEqual({ colour: "red" });
    const found = written({ name: "Poster", steps: [step] }, TASKS);
    expect("troubles" in found && found.troubles.of.get(step.key)?.step).toMatch(/can't do this any more/);
  });

  it("leaves parameters out that the task has no more", () => {
    const old = draftOf({ name: "Poster", steps: [{ task: "edges", parameters: { lines: "black", width: 3 } }] }, TASKS);
    expect(written(old, TASKS)).toEqual({ body: { name: "Poster", steps: [{ task: "edges", parameters: { lines: "black" } }] } });
  });
});

describe("the server's refusal", () => {
  const problem = (...fields: [string, string][]) => ({ title: "No", status: 422, code: "invalid_parameters", fields: fields.map(([field, detail]) => ({ field, detail })) });

  it("goes to the field of the step that it is about, and stays with it when the step moves", () => {
    const { steps } = draft();
    const found = troublesOf(problem(["steps.1.parameters.lines", "No such colour"]), steps)!;
    expect(found.of.get(moved(steps, steps[1]!.key, -1)[0]!.key)).toEqual({ step: "", fields: { lines: "No such colour." } });
  });

  it("goes to the step where it is about no field, and to the whole where it is about no step", () => {
    const { steps } = draft();
    const found = troublesOf(problem(["steps.0.parameters", "Odd."], ["name", "Too long"], ["steps", "Too many"], ["steps.9.task", "Where?"]), steps)!;
    expect(found.of.get(steps[0]!.key)).toEqual({ step: "Odd.", fields: {} });
    expect([found.name, found.steps]).toEqual(["Too long.", "Where?"]);
  });

  it("is none of the form's if it names no field", () => expect(troublesOf({ title: "No", status: 422, code: "unknown_task" }, [])).toBeNull());

  it("goes when the field changes", () => {
    const { steps } = draft();
    const found = troublesOf(problem(["steps.0.parameters.strength", "No"], ["steps.1.parameters.lines", "No"]), steps)!;
    const left = without(found, steps[0]!.key, "strength");
    expect([left.of.get(steps[0]!.key)?.fields, left.of.get(steps[1]!.key)?.fields]).toEqual([{}, { lines: "No." }]);
    expect(without(found, -1, "strength")).toBe(found);
  });
});
