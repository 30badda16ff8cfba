/** What the chip of a running job says. */
import type { Job, Task } from "@atelier/sdk";
import { expect, it } from "vitest";
import { saidOf, stepOf, titleOf } from "../src/board/job-words";

const TASKS = [
  { name: "denoise", title: "Denoise" },
  { name: "enhance", title: "Enhance ×2" },
] as unknown as Task[];
const RECIPE = { name: "Poster", steps: [{ task: "denoise" }, { task: "enhance" }, { task: "gone" }] };
const job = (state: string, step: number, done: number, total: number, recipe: object | null = RECIPE) =>
  ({ task: recipe === null ? "enhance" : "recipe", state, recipe, progress: { step, done, total } }) as unknown as Job;

it.each([
  ["a task that waits", job("queued", 0, 0, 0, null), ["Enhance ×2", "Enhance ×2: waiting", ""]],
  ["a task that begins", job("running", 0, 0, 0, null), ["Enhance ×2", "Enhance ×2", ""]],
  ["a task that runs", job("running", 1, 3, 8, null), ["Enhance ×2", "Enhance ×2 3 / 8", ""]],
  ["a recipe that waits", job("queued", 0, 0, 0), ["Poster", "Poster: waiting", ""]],
  ["a recipe that begins", job("running", 0, 0, 0), ["Poster", "Poster", ""]],
  ["a recipe at its second step", job("running", 2, 5, 20), ["Poster", "Poster", "step 2 of 3 · Enhance ×2"]],
  ["a step of a task that is gone", job("running", 3, 5, 20), ["Poster", "Poster", "step 3 of 3 · gone"]],
])("tells of %s", (_what, running, words) => expect([titleOf(running, TASKS), saidOf(running, TASKS), stepOf(running, TASKS)]).toEqual(words));
