/** The workspace's recipes beside a chosen photo. */
import type { Recipe, Task } from "@atelier/sdk";
import { useEffect, useState } from "react";
import type { Pages } from "../app/query";
import { Link } from "../app/router";
import { chainWords } from "../recipes/Chain";
import { Icon } from "../ui/Icon";
import { More } from "../ui/parts";

interface Props {
  recipes: Pages<Recipe>;
  tasks: readonly Task[];
  workspaceId: string;
  onRun: (recipe: Recipe) => void;
}

/** So many are shown at once, for a photo has more to tell. */
const FIRST = 5;

export function Recipes({ recipes, tasks, workspaceId, onRun }: Props) {
  const [all, setAll] = useState(false);
  const { items, reload } = recipes;
  useEffect(reload, [reload]); // somebody may have made one since the board was opened
  if (items === null) return null;
  const shown = all ? items : items.slice(0, FIRST);
  return (
    <div className="panel-recipes" role="group" aria-label="Recipes">
      <header>
        <h3>Recipes</h3>
        {items.length > 0 && <Link href={`/w/${workspaceId}/recipes`}>All recipes</Link>}
      </header>
      {items.length === 0 && (
        <p className="quiet">
          Steps that you often need, run as one. <Link href={`/w/${workspaceId}/recipes/new`}>Make a recipe</Link>
        </p>
      )}
      {shown.map((recipe) => (
        <button key={recipe.id} type="button" className="button recipe-button" aria-label={recipe.name} title={chainWords(recipe.steps, tasks)} onClick={() => onRun(recipe)}>
          <Icon name="recipe" size={16} />
          <span>
            <strong>{recipe.name}</strong>
            <span className="quiet">{chainWords(recipe.steps, tasks)}</span>
          </span>
        </button>
      ))}
      {shown.length < items.length && (
        <button type="button" className="button small more" onClick={() => setAll(true)}>
          Show {items.length - shown.length} more
        </button>
      )}
      {shown.length === items.length && <More more={recipes.more} />}
    </div>
  );
}
