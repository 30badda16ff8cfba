/** When is a board saved: the arithmetic of the status frames. */
import { expect, test } from "vitest";
import { SavedTracker } from "@atelier/sdk";

const STEP_1 = new Uint8Array([0, 0, 1]);
const STEP_2 = new Uint8Array([0, 1, 1]);
const UPDATE = new Uint8Array([0, 2, 1]);
const PRESENCE = new Uint8Array([1, 2, 3]);

function tracker(): SavedTracker {
  return new SavedTracker(() => undefined);
}

test("nothing is saved before the server asked for our state and committed it", () => {
  const saved = tracker();
  expect(saved.saved).toBe(false);
  saved.onSend(STEP_1);
  expect(saved.saved).toBe(false);
  saved.onSend(STEP_2);
  expect(saved.saved).toBe(false);
  saved.onCommitted(1);
  expect(saved.saved).toBe(true);
});

test("an edit is saved when as many frames are committed as were sent", () => {
  const saved = tracker();
  saved.onSend(STEP_2);
  saved.onSend(UPDATE);
  saved.onSend(UPDATE);
  saved.onCommitted(2);
  expect(saved.saved).toBe(false);
  saved.onCommitted(3);
  expect(saved.saved).toBe(true);
});

test("presence and questions do not count", () => {
  const saved = tracker();
  saved.onSend(STEP_2);
  saved.onCommitted(1);
  saved.onSend(PRESENCE);
  saved.onSend(STEP_1);
  expect(saved.saved).toBe(true);
});

test("a new socket counts from zero", () => {
  const saved = tracker();
  saved.onSend(STEP_2);
  saved.onSend(UPDATE);
  saved.onCommitted(2);
  saved.reset();
  expect(saved.saved).toBe(false);
  saved.onSend(STEP_2);
  saved.onCommitted(1);
  expect(saved.saved).toBe(true);
});
