/** One recipe of a workspace, or a new one. */
import { ApiError, type Me, type Recipe, type Task } from "@atelier/sdk";
import { listTasks } from "../app/api";
import { useQuery } from "../app/query";
import { getRecipe } from "../app/recipes";
import { Link } from "../app/router";
import { when } from "../app/words";
import { Editor } from "../recipes/Editor";
import { History } from "../recipes/History";
import { mayEdit, useNames } from "../recipes/people";
import { Reading } from "../recipes/Reading";
import { Notice, Spinner, Trouble } from "../ui/parts";
import { Shell } from "./Shell";

export function RecipePage({ me, workspaceId, recipeId }: { me: Me; workspaceId: string; recipeId: string | null }) {
  const recipe = useQuery(`recipe ${recipeId}`, async () => (recipeId === null ? null : getRecipe(recipeId)));
  const tasks = useQuery("tasks", listTasks);
  const nameOf = useNames(me, workspaceId);
  const workspace = me.workspaces.find((candidate) => candidate.id === workspaceId);
  const gone = recipe.error instanceof ApiError && [404, 422].includes(recipe.error.status);
  if (workspace === undefined || gone) return <Notice title="This recipe isn't here">It may have been deleted, or you may not be a member of its workspace.</Notice>;
  const edits = mayEdit(me, workspaceId);
  if (recipeId === null && !edits) return <Notice title="Recipes are made by editors">You can look at those of this workspace. Ask an owner of it if you want to make one.</Notice>;
  const error = recipe.error ?? tasks.error;
  const known = tasks.data !== null && (recipeId === null || recipe.data !== null);
  return (
    <Shell me={me}>
      <nav className="crumbs" aria-label="Where you are">
        <Link href="/">Projects</Link> <span className="slash">/</span> <Link href={`/w/${workspaceId}/recipes`}>Recipes of {workspace.name}</Link>
      </nav>
      <div className="narrow">
        {!known && error !== null && <Trouble error={error} onRetry={recipe.error === null ? tasks.reload : recipe.reload} />}
        {!known && error === null && <Spinner label="Reading the recipe" />}
        {known && edits && <Editor workspaceId={workspaceId} recipe={recipe.data} tasks={tasks.data!.items} nameOf={nameOf} />}
        {known && !edits && recipe.data !== null && <Seen recipe={recipe.data} tasks={tasks.data!.items} nameOf={nameOf} />}
      </div>
    </Shell>
  );
}

function Seen({ recipe, tasks, nameOf }: { recipe: Recipe; tasks: readonly Task[]; nameOf: (personId: string) => string }) {
  return (
    <>
      <header className="page-head">
        <div>
          <h1>{recipe.name}</h1>
          <p className="quiet">
            Version {recipe.version} · made by {nameOf(recipe.created_by)} {when(recipe.created_at)}
          </p>
        </div>
      </header>
      <Reading recipe={recipe} tasks={tasks} />
      <History recipe={recipe} tasks={tasks} nameOf={nameOf} mayEdit={false} dirty={false} onUse={() => undefined} />
    </>
  );
}
