/** How the studio names and marks the tasks that its server knows. */
import type { Task } from "@atelier/sdk";
import type { IconName } from "./Icon";

const ICONS: Record<string, IconName> = { enhance: "sparkle", denoise: "grain", edges: "outline", canny: "facets" };

/** A task of an operator's own has the general icon. */
export function iconOfTask(name: string): IconName {
  return ICONS[name] ?? "sparkle";
}

export function titleOfTask(name: string, tasks: readonly Task[]): string {
  return tasks.find((task) => task.name === name)?.title ?? name;
}
