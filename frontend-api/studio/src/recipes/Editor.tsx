/** Where a recipe is written: its name, its steps, what it was. */
import type { Recipe, Task } from "@atelier/sdk";
import { type FormEvent, type KeyboardEvent, useEffect, useRef } from "react";
import { navigate } from "../app/router";
import { when } from "../app/words";
import { Ask } from "../ui/Ask";
import { Icon } from "../ui/Icon";
import { Dialog } from "../ui/parts";
import { Chain } from "./Chain";
import { type Conflict, type Editing, useEditing } from "./editing";
import { History } from "./History";
import { StepList } from "./StepList";

interface Props {
  workspaceId: string;
  recipe: Recipe | null;
  tasks: readonly Task[];
  nameOf: (personId: string) => string;
}

export function Editor({ workspaceId, recipe, tasks, nameOf }: Props) {
  const editing = useEditing(workspaceId, recipe, tasks);
  const form = useRef<HTMLFormElement>(null);
  const { draft, troubles, conflict } = editing;
  useEffect(() => form.current?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus(), [editing.refusals]);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!editing.busy) void editing.save();
  };
  const keys = (event: KeyboardEvent) => {
    if (event.key !== "s" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    form.current?.requestSubmit();
  };
  return (
    <>
      <form ref={form} className="recipe-form" aria-label="Recipe" noValidate onSubmit={submit} onKeyDown={keys}>
        <header className="page-head recipe-head">
          <input
            className="title-input"
            aria-label="Name of the recipe"
            placeholder="Name of the recipe"
            maxLength={200}
            autoFocus={recipe === null}
            autoComplete="off"
            value={draft.name}
            aria-invalid={troubles.name !== ""}
            onChange={(event) => editing.name(event.target.value)}
          />
          {editing.recipe !== null && <Ask label="Delete" act={`Delete ${editing.recipe.name}`} onYes={editing.remove} />}
        </header>
        {troubles.name !== "" && (
          <p className="bad recipe-trouble" role="alert">
            {troubles.name}
          </p>
        )}
        {editing.recipe === null && <p className="quiet recipe-intro">Each step works on what the one before it made. Everyone in this workspace can use the recipe.</p>}
        {conflict !== null && <Meanwhile conflict={conflict} tasks={tasks} nameOf={nameOf} editing={editing} />}
        <StepList steps={draft.steps} tasks={tasks} troubles={troubles} onSteps={editing.steps} onInput={editing.input} />
        <SaveBar editing={editing} nameOf={nameOf} />
      </form>
      {editing.recipe !== null && (
        <History recipe={conflict?.theirs ?? editing.recipe} tasks={tasks} nameOf={nameOf} mayEdit dirty={editing.dirty} onUse={(version) => void editing.use(version)} />
      )}
      {editing.leaving !== null && <Leaving to={editing.leaving} name={draft.name} onStay={editing.stay} />}
    </>
  );
}

function SaveBar({ editing, nameOf }: { editing: Editing; nameOf: Props["nameOf"] }) {
  const { recipe, dirty, busy } = editing;
  const made = recipe === null ? "Not saved yet" : `Version ${recipe.version} · made by ${nameOf(recipe.created_by)} ${when(recipe.created_at)}`;
  return (
    <footer className={dirty ? "save-bar dirty" : "save-bar"}>
      <span className="quiet">{dirty && recipe !== null ? "You have changes that are not saved." : made}</span>
      <div className="spacer" />
      {dirty && recipe !== null && <Ask label="Discard" act="Discard my changes" onYes={editing.discard} />}
      <button type="submit" className="button primary" disabled={busy || (recipe !== null && !dirty)}>
        {recipe === null ? "Save recipe" : "Save"}
      </button>
    </footer>
  );
}

function Meanwhile({ conflict, tasks, nameOf, editing }: { conflict: Conflict; tasks: readonly Task[]; nameOf: Props["nameOf"]; editing: Editing }) {
  const { theirs, by } = conflict;
  const who = nameOf(by);
  return (
    <div className="meanwhile" role="alert">
      <Icon name="people" />
      <div>
        <strong>{who === "you" ? "You changed this recipe somewhere else meanwhile." : `${who} changed this recipe while you worked on it.`}</strong>
        <p>
          {theirs.name === editing.recipe?.name ? "It is now" : `“${theirs.name}” is now`} version {theirs.version}:
        </p>
        <Chain steps={theirs.steps} tasks={tasks} exact />
        <div className="meanwhile-acts">
          <button type="button" className="button small primary" onClick={editing.takeTheirs}>
            {who === "you" ? "Load that one" : "Load theirs"}
          </button>
          <button type="button" className="button small" disabled={editing.busy} onClick={() => void editing.keepMine()}>
            Save mine after it
          </button>
        </div>
      </div>
    </div>
  );
}

function Leaving({ to, name, onStay }: { to: string; name: string; onStay: () => void }) {
  return (
    <Dialog title="Leave without saving?" onClose={onStay}>
      <p>Your changes to {name.trim() === "" ? "this recipe" : name.trim()} are not saved yet.</p>
      <div className="dialog-acts">
        <button type="button" className="button danger" onClick={() => navigate(to, { sure: true })}>
          Leave without saving
        </button>
        <button type="button" className="button primary" autoFocus onClick={onStay}>
          Stay here
        </button>
      </div>
    </Dialog>
  );
}
