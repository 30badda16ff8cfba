/** How a photo came to be: what it was made from, by which models, at what cost. */
import type { Asset, StepMade, Task } from "@atelier/sdk";
import { getAsset, getJob } from "../app/api";
import { useQuery } from "../app/query";
import { Link } from "../app/router";
import { Icon } from "../ui/Icon";
import { iconOfTask, titleOfTask } from "../ui/tasks";

interface Props {
  lineage: NonNullable<Asset["lineage"]>;
  tasks: readonly Task[];
  workspaceId: string | undefined;
}

export function Lineage({ lineage, tasks, workspaceId }: Props) {
  const { parent_id: parentId, steps } = lineage;
  const parent = useQuery(`asset ${parentId}`, async () => (parentId === null ? null : getAsset(parentId)));
  return (
    <>
      <dt>Made from</dt>
      <dd>{parent.data?.name ?? "a photo of this project"}</dd>
      {steps === null ? (
        <>
          <dt>Model</dt>
          <dd>
            {lineage.model} <span className="quiet">version {lineage.model_version}</span>
          </dd>
        </>
      ) : (
        <Steps steps={steps} jobId={lineage.job_id} tasks={tasks} workspaceId={workspaceId} />
      )}
      <dt>Cost</dt>
      <dd className="numbers">{lineage.compute_s.toFixed(2)} s of compute</dd>
    </>
  );
}

function Steps({ steps, jobId, tasks, workspaceId }: { steps: readonly StepMade[]; jobId: string; tasks: readonly Task[]; workspaceId: string | undefined }) {
  const job = useQuery(`job ${jobId}`, () => getJob(jobId));
  const recipe = job.data?.recipe ?? null;
  return (
    <>
      {recipe !== null && (
        <>
          <dt>Recipe</dt>
          <dd>
            <Link href={`/w/${workspaceId}/recipes/${recipe.id}`} className="panel-link">
              {recipe.name}
            </Link>{" "}
            <span className="quiet">version {recipe.version}</span>
          </dd>
        </>
      )}
      <dt>Steps</dt>
      <dd>
        <ol className="made-steps" aria-label="Steps">
          {steps.map((step, i) => (
            <li key={i}>
              <Icon name={iconOfTask(step.task)} size={15} />
              <div>
                {titleOfTask(step.task, tasks)}
                <span className="quiet">
                  {step.model} version {step.model_version}
                </span>
                {step.kept && (
                  <span className="quiet" title="An earlier run made the same picture, so this step cost nothing.">
                    taken from another run
                  </span>
                )}
              </div>
            </li>
          ))}
        </ol>
      </dd>
    </>
  );
}
