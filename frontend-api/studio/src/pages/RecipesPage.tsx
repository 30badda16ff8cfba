/** The recipes of a workspace: finding one, making one. */
import type { Me, Recipe, Task } from "@atelier/sdk";
import { useEffect, useRef, useState } from "react";
import { listTasks } from "../app/api";
import { usePages, useQuery } from "../app/query";
import { listRecipes } from "../app/recipes";
import { Link } from "../app/router";
import { when } from "../app/words";
import { Chain } from "../recipes/Chain";
import { mayEdit, useNames } from "../recipes/people";
import { Icon } from "../ui/Icon";
import { More, Notice, Spinner, Trouble } from "../ui/parts";
import { Shell } from "./Shell";

/** As many fit on a page at a glance; more are searched. */
const AT_A_GLANCE = 10;

export function RecipesPage({ me, workspaceId }: { me: Me; workspaceId: string }) {
  const [wanted, setWanted] = useState("");
  const q = useSettled(wanted.trim());
  const { items, error, more, reload } = usePages<Recipe>(`recipes ${workspaceId} ${q}`, (cursor) =>
    listRecipes(workspaceId, { ...(q && { q }), ...(cursor && { cursor }) }),
  );
  const tasks = useQuery("tasks", listTasks);
  const nameOf = useNames(me, workspaceId);
  const shown = useLast(items);
  const many = useEver(q === "" && items !== null && items.length > AT_A_GLANCE);
  const workspace = me.workspaces.find((candidate) => candidate.id === workspaceId);
  if (workspace === undefined) return <Notice title="This workspace isn't here">You may not be a member of it any more.</Notice>;
  const edits = mayEdit(me, workspaceId);
  const empty = q === "" && items?.length === 0;
  return (
    <Shell me={me}>
      <nav className="crumbs" aria-label="Where you are">
        <Link href="/">Projects</Link>
      </nav>
      <div className="narrow">
        <header className="page-head">
          <h1>Recipes of {workspace.name}</h1>
          <div className="spacer" />
          {edits && !empty && <NewRecipe workspaceId={workspaceId} label="New recipe" />}
        </header>
        {many && <SearchBox value={wanted} onChange={setWanted} />}
        {error !== null && items === null && <Trouble error={error} onRetry={reload} />}
        {shown === null && error === null && <Spinner label="Reading the recipes" />}
        {empty && (
          <div className="empty recipes-empty">
            <Icon name="recipe" size={28} />
            <h2>No recipe yet</h2>
            <p>A recipe runs several steps on a photo as one, such as Denoise and then Enhance. Everyone in this workspace finds it beside their photos.</p>
            {edits && <NewRecipe workspaceId={workspaceId} label="Make the first recipe" />}
          </div>
        )}
        {q !== "" && items?.length === 0 && <p className="quiet">No recipe has “{q}” in its name.</p>}
        <ul className="recipes" aria-label="Recipes">
          {shown?.map((recipe) => (
            <RecipeRow key={recipe.id} recipe={recipe} tasks={tasks.data?.items ?? []} nameOf={nameOf} />
          ))}
        </ul>
        <More more={more} />
      </div>
    </Shell>
  );
}

function NewRecipe({ workspaceId, label }: { workspaceId: string; label: string }) {
  return (
    <Link href={`/w/${workspaceId}/recipes/new`} className="button primary">
      <Icon name="plus" size={16} />
      {label}
    </Link>
  );
}

function SearchBox({ value, onChange }: { value: string; onChange: (value: string) => void }) {
  return (
    <div className="search-box">
      <Icon name="search" size={16} />
      <input type="search" aria-label="Find a recipe" placeholder="Find a recipe" maxLength={200} value={value} onChange={(event) => onChange(event.target.value)} />
    </div>
  );
}

function RecipeRow({ recipe, tasks, nameOf }: { recipe: Recipe; tasks: readonly Task[]; nameOf: (personId: string) => string }) {
  return (
    <li className="recipe-row">
      <h2>
        <Link href={`/w/${recipe.workspace_id}/recipes/${recipe.id}`}>{recipe.name}</Link>
      </h2>
      <Chain steps={recipe.steps} tasks={tasks} />
      <p className="quiet">
        Made by {nameOf(recipe.created_by)} {when(recipe.created_at)} · version {recipe.version}
      </p>
    </li>
  );
}

/** What was typed, once the typing rests. */
function useSettled(value: string): string {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), 250);
    return () => clearTimeout(timer);
  }, [value]);
  return settled;
}

/** What was shown stays until there is something new, so that a search does not flicker. */
function useLast<Value>(value: Value | null): Value | null {
  const last = useRef(value);
  if (value !== null) last.current = value;
  return last.current;
}

function useEver(now: boolean): boolean {
  const ever = useRef(false);
  ever.current ||= now;
  return ever.current;
}
