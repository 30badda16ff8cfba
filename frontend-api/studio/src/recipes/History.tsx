/** What a recipe was, who made it so, and going back to it. */
import type { Recipe, RecipeVersion, Task } from "@atelier/sdk";
import { useEffect } from "react";
import { usePages } from "../app/query";
import { listVersions } from "../app/recipes";
import { when } from "../app/words";
import { Ask } from "../ui/Ask";
import { More, Spinner, Trouble } from "../ui/parts";
import { Chain } from "./Chain";

interface Props {
  recipe: Recipe;
  tasks: readonly Task[];
  nameOf: (personId: string) => string;
  mayEdit: boolean;
  /** Somebody's changes would be lost by going back. */
  dirty: boolean;
  onUse: (version: RecipeVersion) => void;
}

export function History({ recipe, tasks, nameOf, mayEdit, dirty, onUse }: Props) {
  const { items, error, more, reload } = usePages(`versions ${recipe.id}`, (cursor) => listVersions(recipe.id, cursor === undefined ? {} : { cursor }));
  const isStale = items !== null && items[0]?.version !== recipe.version;
  useEffect(() => {
    if (isStale) reload();
  }, [isStale, recipe.version, reload]);
  return (
    <section className="account-part" aria-labelledby="history">
      <header className="part-head">
        <div>
          <h2 id="history">History</h2>
          <p className="quiet">Each change is a version of its own, and none is lost.</p>
        </div>
      </header>
      {error !== null && items === null && <Trouble error={error} onRetry={reload} />}
      {error === null && items === null && <Spinner label="Reading the history" />}
      <ul className="rows">
        {items?.map((version) => (
          <li key={version.version} className="row" aria-label={`Version ${version.version}`}>
            <div className="row-what">
              <strong>
                Version {version.version}
                {version.version === recipe.version && <span className="tag good">in use</span>}
                {version.name !== recipe.name && <span className="quiet">“{version.name}”</span>}
              </strong>
              <Chain steps={version.steps} tasks={tasks} exact />
              <span className="quiet">
                by {nameOf(version.created_by)}, {when(version.created_at)}
              </span>
            </div>
            {mayEdit && version.version !== recipe.version && <Use version={version} dirty={dirty} onUse={() => onUse(version)} />}
          </li>
        ))}
      </ul>
      <More more={more} />
    </section>
  );
}

function Use({ version, dirty, onUse }: { version: RecipeVersion; dirty: boolean; onUse: () => void }) {
  if (dirty) return <Ask label="Use this one again" act={`Drop my changes for version ${version.version}`} onYes={onUse} />;
  return (
    <button type="button" className="button small" aria-label={`Use version ${version.version} again`} onClick={onUse}>
      Use this one again
    </button>
  );
}
