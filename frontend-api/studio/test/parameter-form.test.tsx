/** The form that a JSON Schema becomes, as a browser and a screen reader find it. */
import { renderToStaticMarkup } from "react-dom/server";
import { expect, test } from "vitest";
import { ParameterForm } from "../src/recipes/ParameterForm";

function form(own: object, input: unknown, troubles: Record<string, string> = {}): string {
  return renderToStaticMarkup(<ParameterForm schema={{ properties: { it: own } }} inputs={{ it: input }} troubles={troubles} onInput={() => undefined} />);
}

const STRENGTH = { anyOf: [{ maximum: 75, minimum: 1, type: "number" }, { type: "null" }], title: "Strength", description: "Left out, it is measured in the picture." };

test("an empty number says what happens then, and offers no way back to empty", () => {
  const html = form(STRENGTH, "");
  expect(html).toContain('placeholder="Measured in the picture"');
  expect(html).toContain('aria-valuetext="measured in the picture"');
  expect(html).not.toContain("<button");
});

test("a number has a label, a slider with its ends, and a way back to empty", () => {
  const html = form(STRENGTH, "15");
  expect(html).toMatch(/<label class="param-title" for="([^"]+)">Strength<\/label>.*<input id="\1"[^>]*value="15"/);
  expect(html).toMatch(/<input type="range"[^>]*min="1" max="75" step="1"[^>]*value="15"/);
  expect(html).toContain('aria-label="Strength: measured in the picture"');
});

test("what is wrong stands at the field and marks it", () => {
  const html = form({ type: "integer", minimum: 0, title: "Low" }, "-1", { it: "Write a whole number of 0 or more." });
  expect(html).toContain('aria-invalid="true"');
  expect(html).toMatch(/role="alert">Write a whole number of 0 or more\./);
  expect(html).not.toContain("range");
});

test("few choices are shown at once, many open as a list", () => {
  const few = form({ enum: ["white", "black"], title: "Lines" }, "black");
  expect(few).toContain('role="radiogroup"');
  expect(few).toMatch(/checked=""[^>]*\/><span>Black/);
  const many = form({ enum: ["a", "b", "c", "d", "e"], title: "Letter" }, "b");
  expect(many).toMatch(/<select.*<option value="1" selected="">B</);
});

test("a choice of none is one more choice", () => {
  expect(form({ enum: ["a", null], title: "It" }, null)).toMatch(/checked=""[^>]*\/><span>Automatic.*<span>A</);
});

test("yes or no is a box to tick, a text a line to write on, and what is fixed is only told", () => {
  expect(form({ type: "boolean", title: "Sharp" }, true)).toMatch(/<label[^>]*>Sharp<.*type="checkbox"[^>]*checked=""/);
  const text = form({ type: "string", maxLength: 9, title: "Note" }, "hm");
  expect(text).toContain('value="hm"');
  expect(text).toContain('maxLength="9"');
  const fixed = form({ const: 2, title: "Scale" }, 2);
  expect(fixed).toContain('<span class="param-title">Scale 2</span>');
  expect(fixed).not.toContain("<input");
});

test("a task that asks for nothing has no form", () => {
  expect(renderToStaticMarkup(<ParameterForm schema={{}} inputs={{}} troubles={{}} onInput={() => undefined} />)).toBe("");
});
