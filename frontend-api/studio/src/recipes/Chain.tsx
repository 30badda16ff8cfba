/** A recipe's steps in words, with small arrows between them. */
import type { RecipeStep, Task } from "@atelier/sdk";
import { Icon } from "../ui/Icon";
import { iconOfTask, titleOfTask } from "../ui/tasks";
import { schemaOf } from "./draft";
import { unusual } from "./fields";

interface Props {
  steps: readonly RecipeStep[];
  tasks: readonly Task[];
  /** With what each step does otherwise than usual. */
  exact?: boolean;
}

export function Chain({ steps, tasks, exact = false }: Props) {
  return (
    <ol className="chain" aria-label="Steps">
      {steps.map(({ task, parameters }, i) => {
        const more = exact ? unusual(schemaOf(task, tasks), parameters) : "";
        return (
          <li key={i}>
            {i > 0 && (
              <span className="chain-arrow">
                <Icon name="next" size={13} />
              </span>
            )}
            <span className="chain-step">
              <Icon name={iconOfTask(task)} size={14} />
              {titleOfTask(task, tasks)}
              {more !== "" && <span className="quiet">{more}</span>}
            </span>
          </li>
        );
      })}
    </ol>
  );
}

/** "Denoise → Enhance ×2". */
export function chainWords(steps: readonly RecipeStep[], tasks: readonly Task[]): string {
  return steps.map(({ task }) => titleOfTask(task, tasks)).join(" → ");
}
