/** Other people on a board, whatever their states may hold. */
import { expect, test } from "vitest";
import { Awareness, applyAwarenessUpdate, encodeAwarenessUpdate } from "y-protocols/awareness";
import * as Y from "yjs";
import { others, people } from "../src/board/presence";

function meet(mine: Awareness, state: Record<string, unknown>): void {
  const other = new Awareness(new Y.Doc());
  other.setLocalState(state);
  applyAwarenessUpdate(mine, encodeAwarenessUpdate(other, [other.clientID]), "net");
  other.destroy();
}

test("others are shown with name, colour and pointer; oneself is not", () => {
  const mine = new Awareness(new Y.Doc());
  mine.setLocalState({ user: { id: "per_me", name: "Me", color: "#000000" } });
  meet(mine, { user: { id: "per_bo", name: "Bo", color: "#9c36b5" }, pointer: { x: 1, y: 2, tool: "pointer" }, selection: ["r1"] });
  expect(others(mine)).toMatchObject([{ id: "per_bo", name: "Bo", colour: "#9c36b5", pointer: { x: 1, y: 2 }, selection: ["r1"] }]);
  mine.destroy();
});

test("a state that is not whole harms nobody", () => {
  const mine = new Awareness(new Y.Doc());
  meet(mine, { user: { id: "per_1", name: 7, color: "url(x)" }, pointer: { x: "left" }, selection: "all" });
  meet(mine, { user: null });
  meet(mine, { user: { id: "per_2", name: "Cy", color: "#123456" }, pointer: { x: Infinity, y: 0 } });
  const found = others(mine);
  expect(found.map((other) => other.id).sort()).toEqual(["per_1", "per_2"]);
  expect(found.every((other) => other.pointer === null && other.selection.length === 0)).toBe(true);
  expect(found.find((other) => other.id === "per_1")).toMatchObject({ name: "Someone", colour: "#767a86" });
  mine.destroy();
});

test("a person with two windows is one person", () => {
  const mine = new Awareness(new Y.Doc());
  meet(mine, { user: { id: "per_bo", name: "Bo", color: "#9c36b5" } });
  meet(mine, { user: { id: "per_bo", name: "Bo", color: "#9c36b5" } });
  expect(others(mine)).toHaveLength(2);
  expect(people(others(mine))).toHaveLength(1);
  mine.destroy();
});
