/** A recipe for those who may look at it alone. */
import type { Recipe, Task } from "@atelier/sdk";
import { Icon } from "../ui/Icon";
import { iconOfTask, titleOfTask } from "../ui/tasks";
import { schemaOf } from "./draft";
import { capital, fieldsOf, said } from "./fields";

export function Reading({ recipe, tasks }: { recipe: Recipe; tasks: readonly Task[] }) {
  return (
    <ol className="steps read" aria-label="Steps">
      {recipe.steps.map(({ task, parameters }, i) => (
        <li key={i} className="step" aria-label={`Step ${i + 1}: ${titleOfTask(task, tasks)}`}>
          <span className="step-number" aria-hidden="true">
            {i + 1}
          </span>
          <div className="step-card">
            <header className="step-head">
              <Icon name={iconOfTask(task)} />
              <h2>{titleOfTask(task, tasks)}</h2>
            </header>
            <p className="quiet">{tasks.find(({ name }) => name === task)?.description}</p>
            <dl className="facts">
              {fieldsOf(schemaOf(task, tasks)).map((field) => (
                <div key={field.name}>
                  <dt>{field.title}</dt>
                  <dd>{capital(said(field, parameters[field.name]))}</dd>
                </div>
              ))}
            </dl>
          </div>
        </li>
      ))}
    </ol>
  );
}
