/** From a task's JSON Schema to the fields of a form, and from what is typed to parameters. */
import { describe, expect, it } from "vitest";
import { type Field, type NumberField, fieldsOf, hintOf, inputOf, said, strideOf, unusual, valueOf } from "../src/recipes/fields";

const STRENGTH = {
  anyOf: [{ maximum: 75, minimum: 1, type: "number" }, { type: "null" }],
  default: null,
  description: "In steps of 255. Left out, it is measured in the picture.",
  title: "Strength",
};
const THRESHOLD = { default: 100, description: "How steep.", maximum: 255, minimum: 0, title: "Low threshold", type: "integer" };
const LINES = { default: "white", description: "White or black.", enum: ["white", "black"], title: "Lines", type: "string" };
const SCALE = { const: 2, default: 2, title: "Scale", type: "integer" };

const one = (own: object, defs: object = {}): Field => fieldsOf({ type: "object", properties: { it: own }, $defs: defs } as never)[0]!;
const number = (own: object) => one(own) as NumberField;

describe("fieldsOf", () => {
  it("keeps the order of the contract", () => {
    const schema = { properties: { strength: STRENGTH, lines: LINES, scale: SCALE } };
    expect(fieldsOf(schema).map(({ name, kind }) => [name, kind])).toEqual([
      ["strength", "number"],
      ["lines", "choice"],
      ["scale", "fixed"],
    ]);
  });

  it("finds the limits of a number that there may be none of, and says what none means", () => {
    expect(one(STRENGTH)).toEqual({
      kind: "number",
      name: "it",
      title: "Strength",
      description: "In steps of 255.",
      usual: null,
      absent: "measured in the picture",
      whole: false,
      least: 1,
      most: 75,
    });
  });

  it.each([
    ["a whole number", THRESHOLD, { kind: "number", whole: true, least: 0, most: 255, absent: null }],
    ["a number without limits", { type: "number" }, { kind: "number", title: "it", least: null, most: null }],
    ["limits that are left out themselves", { type: "number", exclusiveMinimum: 0 }, { kind: "number", least: 0 }],
    ["two types in a list", { type: ["integer", "null"] }, { kind: "number", whole: true, absent: "automatic" }],
    ["a choice", LINES, { kind: "choice", options: ["white", "black"], absent: null }],
    ["a choice of none", { anyOf: [{ enum: ["a", "b"] }, { type: "null" }] }, { kind: "choice", options: ["a", "b"], absent: "automatic" }],
    ["none among the choices", { enum: [1, null] }, { kind: "choice", options: [1], absent: "automatic" }],
    ["what can't be another", SCALE, { kind: "fixed", value: 2 }],
    ["yes or no", { type: "boolean", default: true }, { kind: "switch", usual: true }],
    ["yes, no or neither", { anyOf: [{ type: "boolean" }, { type: "null" }] }, { kind: "choice", options: [true, false] }],
    ["a text", { type: "string", maxLength: 9 }, { kind: "text", longest: 9 }],
    ["what no form is known for", { type: "array", default: [1] }, { kind: "fixed", value: [1] }],
    ["two kinds at once", { anyOf: [{ type: "number" }, { type: "string" }], default: 3 }, { kind: "fixed", value: 3 }],
  ])("reads %s", (_what, own, field) => expect(one(own)).toMatchObject(field));

  it("follows references, and lets the one who refers name it", () => {
    const defs = { Colour: { enum: ["red", "blue"], title: "Colour", type: "string" } };
    expect(one({ $ref: "#/$defs/Colour", default: "red", title: "Ink" }, defs)).toMatchObject({ kind: "choice", title: "Ink", options: ["red", "blue"], usual: "red" });
    expect(one({ allOf: [{ $ref: "#/$defs/Colour" }] }, defs)).toMatchObject({ kind: "choice", title: "Colour", absent: null });
    expect(one({ anyOf: [{ $ref: "#/$defs/Colour" }, { type: "null" }] }, defs)).toMatchObject({ kind: "choice", absent: "automatic" });
  });

  it("makes no field of a task that asks for nothing", () => expect(fieldsOf({ type: "object" })).toEqual([]));
});

describe("what is typed", () => {
  it.each([
    [THRESHOLD, " 12 ", { value: 12 }],
    [THRESHOLD, "0", { value: 0 }],
    [THRESHOLD, "256", { trouble: "Write a whole number from 0 to 255." }],
    [THRESHOLD, "1.5", { trouble: "Write a whole number from 0 to 255." }],
    [THRESHOLD, "", { trouble: "Write a whole number from 0 to 255." }],
    [STRENGTH, "", { value: null }],
    [STRENGTH, "  ", { value: null }],
    [STRENGTH, "12,5", { value: 12.5 }],
    [STRENGTH, "much", { trouble: "Write a number from 1 to 75." }],
    [{ type: "number", minimum: 2 }, "1", { trouble: "Write a number of 2 or more." }],
    [{ type: "number", maximum: 2 }, "3", { trouble: "Write a number of 2 or less." }],
    [{ type: "number" }, "Infinity", { trouble: "Write a number." }],
    [LINES, "black", { value: "black" }],
    [{ enum: [1, 2] }, null, { trouble: "Choose one." }],
    [LINES, "grey", { trouble: "Choose one." }],
    [{ enum: [1, null] }, null, { value: null }],
    [SCALE, 2, { value: 2 }],
    [{ type: "boolean" }, false, { value: false }],
    [{ type: "string" }, " a ", { value: "a" }],
  ])("%j: %j is %j", (own, input, found) => expect(valueOf(one(own), input)).toEqual(found));

  it("comes back as it was from the form", () => {
    for (const [own, value] of [[STRENGTH, 15], [STRENGTH, null], [THRESHOLD, 0], [LINES, "black"], [SCALE, 2], [{ type: "boolean" }, false]] as const) {
      const field = one(own);
      expect(valueOf(field, inputOf(field, value))).toEqual({ value });
    }
  });

  it("takes the one value there is, whatever an older release took", () => {
    expect(inputOf(one(SCALE), 3)).toBe(2);
    expect(inputOf(one({ type: "array", default: [1] }), [2])).toEqual([2]);
  });

  it("begins with what is usual", () => {
    expect([STRENGTH, THRESHOLD, LINES, SCALE].map((own) => inputOf(one(own), undefined))).toEqual(["", "100", "white", 2]);
  });
});

describe("words", () => {
  it.each([
    [THRESHOLD, "From 0 to 255, usually 100."],
    [STRENGTH, "From 1 to 75."],
    [{ type: "number", minimum: 2 }, "2 or more."],
    [{ type: "number", default: 3 }, "Usually 3."],
    [LINES, ""],
  ])("hint at what may stand there", (own, hint) => expect(hintOf(one(own))).toBe(hint));

  it.each([
    [STRENGTH, null, "measured in the picture"],
    [STRENGTH, 15, "15"],
    [{ type: "boolean" }, true, "yes"],
    [{ type: "array" }, [1], "[1]"],
  ])("say a value", (own, value, words) => expect(said(one(own), value)).toBe(words));

  it("tell only what is not as usual", () => {
    const schema = { properties: { strength: STRENGTH, low_threshold: THRESHOLD, lines: LINES } };
    expect(unusual(schema, { strength: 15, low_threshold: 100, lines: "black" })).toBe("strength 15, lines black");
    expect(unusual(schema, { strength: null, low_threshold: 100 })).toBe("");
  });
});

describe("a slider's step", () => {
  it.each([
    [{ type: "integer", minimum: 0, maximum: 255 }, 1],
    [{ type: "integer", minimum: 0, maximum: 4 }, 1],
    [{ type: "number", minimum: 1, maximum: 75 }, 1],
    [{ type: "number", minimum: 0, maximum: 5 }, 0.1],
    [{ type: "number", minimum: 0, maximum: 1 }, 0.01],
    [{ type: "number", minimum: 0 }, null],
    [{ type: "number", minimum: 1, maximum: 1 }, null],
  ])("%j moves by %s", (own, stride) => expect(strideOf(number(own))).toBe(stride));
});
