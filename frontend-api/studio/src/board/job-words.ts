/** What is said of a job while it goes on. */
import type { Job, Task } from "@atelier/sdk";
import { titleOfTask } from "../ui/tasks";

/** What was asked for: a task's title, a recipe's name. */
export function titleOf(job: Job, tasks: readonly Task[]): string {
  return job.recipe?.name ?? titleOfTask(job.task, tasks);
}

/** "Denoise: waiting", "Denoise 3 / 8"; of a recipe its name alone, for `stepOf` says the rest. */
export function saidOf(job: Job, tasks: readonly Task[]): string {
  const title = titleOf(job, tasks);
  const { done, total } = job.progress;
  if (job.state === "queued") return `${title}: waiting`;
  return job.recipe !== null || total === 0 ? title : `${title} ${done} / ${total}`;
}

/** "step 2 of 3 · Enhance ×2"; empty for what has no steps, and before the first. */
export function stepOf(job: Job, tasks: readonly Task[]): string {
  const steps = job.recipe?.steps ?? [];
  const step = steps[job.progress.step - 1];
  if (step === undefined || job.state === "queued") return "";
  return `step ${job.progress.step} of ${steps.length} · ${titleOfTask(step.task, tasks)}`;
}
