/** Hides how a recipe is changed: what is on the page, what the server has, and what happens where the two part. */
import { ApiError, type Recipe, type RecipeVersion, type Task } from "@atelier/sdk";
import { useEffect, useMemo, useRef, useState } from "react";
import { hold, navigate } from "../app/router";
import { type RecipeBody, changeRecipe, createRecipe, deleteRecipe, getRecipe, listVersions } from "../app/recipes";
import { toast, toastError } from "../app/toasts";
import { type Draft, type DraftStep, EMPTY, NO_TROUBLES, draftOf, isSame, troublesOf, without, written } from "./draft";

/** Somebody was quicker. */
export interface Conflict {
  theirs: Recipe;
  by: string;
}

export interface Editing {
  /** As the server has it, as far as is known here; null: not yet at all. */
  recipe: Recipe | null;
  draft: Draft;
  troubles: typeof NO_TROUBLES;
  /** Counts how often there was something wrong with what was to be saved. */
  refusals: number;
  conflict: Conflict | null;
  dirty: boolean;
  busy: boolean;
  /** Where the person would go, asked what becomes of the changes. */
  leaving: string | null;
  name: (name: string) => void;
  steps: (steps: readonly DraftStep[]) => void;
  input: (key: number, name: string, input: unknown) => void;
  save: () => Promise<void>;
  discard: () => void;
  use: (version: RecipeVersion) => Promise<void>;
  remove: () => Promise<void>;
  takeTheirs: () => void;
  keepMine: () => Promise<void>;
  stay: () => void;
}

export function useEditing(workspaceId: string, first: Recipe | null, tasks: readonly Task[]): Editing {
  const [recipe, setRecipe] = useState(first);
  const saved = useMemo(() => (recipe === null ? EMPTY : draftOf(recipe, tasks)), [recipe, tasks]);
  const [draft, setDraft] = useState(saved);
  const [troubles, setTroubles] = useState(NO_TROUBLES);
  const [refusals, setRefusals] = useState(0);
  const [conflict, setConflict] = useState<Conflict | null>(null);
  const [busy, setBusy] = useState(false);
  const asked = useRef({ text: "", key: "" });
  const dirty = !isSame(draft, saved);
  const [leaving, stay] = useHold(dirty);

  const show = (next: Recipe) => {
    setRecipe(next);
    setDraft(draftOf(next, tasks));
    setTroubles(NO_TROUBLES);
    setConflict(null);
  };
  const tell = (found: typeof NO_TROUBLES) => {
    setTroubles(found);
    setRefusals((count) => count + 1);
  };
  const refused = async (error: unknown, sent: readonly DraftStep[] | null) => {
    if (error instanceof ApiError && error.status === 412 && recipe !== null) {
      const [theirs, versions] = await Promise.all([getRecipe(recipe.id), listVersions(recipe.id, { limit: 1 })]);
      return setConflict({ theirs, by: versions.items[0]?.created_by ?? theirs.created_by });
    }
    const found = error instanceof ApiError && sent !== null ? troublesOf(error.problem, sent) : null;
    if (found === null) throw error;
    tell(found);
  };
  /** `sent`: the steps on the page, where it was these that the server was given. */
  const attempt = async (act: () => Promise<void>, sent: readonly DraftStep[] | null = null) => {
    setBusy(true);
    try {
      await act().catch((error: unknown) => refused(error, sent));
    } catch (error) {
      toastError(error);
    }
    setBusy(false);
  };
  const change = async (known: Recipe, body: RecipeBody, told: (next: Recipe) => string) => {
    const next = await changeRecipe(known.id, known.version, body);
    show(next);
    toast(told(next));
  };
  const create = async (body: RecipeBody) => {
    const text = JSON.stringify(body);
    if (asked.current.text !== text) asked.current = { text, key: crypto.randomUUID() }; // the same once more makes no second one
    const made = await createRecipe(workspaceId, body, asked.current.key);
    toast(`${made.name} is kept. Everyone in this workspace can use it.`);
    navigate(`/w/${workspaceId}/recipes/${made.id}`, { replace: true, sure: true });
  };
  const saveOver = async (known: Recipe | null) => {
    const found = written(draft, tasks);
    if ("troubles" in found) return tell(found.troubles);
    setTroubles(NO_TROUBLES);
    const act = () => (known === null ? create(found.body) : change(known, found.body, ({ version }) => `Saved as version ${version}.`));
    await attempt(act, draft.steps);
  };

  return {
    recipe,
    draft,
    troubles,
    refusals,
    conflict,
    dirty,
    busy,
    leaving,
    name: (name) => {
      setDraft((old) => ({ ...old, name }));
      setTroubles((old) => ({ ...old, name: "" }));
    },
    steps: (steps) => {
      setDraft((old) => ({ ...old, steps }));
      setTroubles((old) => ({ ...old, steps: "" }));
    },
    input: (step, name, input) => {
      const changed = (one: DraftStep) => (one.key === step ? { ...one, inputs: { ...one.inputs, [name]: input } } : one);
      setDraft((old) => ({ ...old, steps: old.steps.map(changed) }));
      setTroubles((old) => without(old, step, name));
    },
    save: () => saveOver(recipe),
    discard: () => {
      setDraft(saved);
      setTroubles(NO_TROUBLES);
      setConflict(null);
    },
    use: ({ version, name, steps }) =>
      attempt(() => change(recipe!, { name, steps }, (next) => `Version ${version} is in use again, as version ${next.version}.`)),
    remove: () =>
      attempt(async () => {
        await deleteRecipe(recipe!.id, recipe!.version);
        toast(`${recipe!.name} is deleted. What it made stays.`);
        navigate(`/w/${workspaceId}/recipes`, { replace: true, sure: true });
      }),
    takeTheirs: () => show(conflict!.theirs),
    keepMine: () => {
      const { theirs } = conflict!;
      setRecipe(theirs);
      setConflict(null);
      return saveOver(theirs);
    },
    stay,
  };
}

/** While there are changes: links of the studio lead to a question, and closing the page to the browser's own. */
function useHold(dirty: boolean): [string | null, () => void] {
  const [leaving, setLeaving] = useState<string | null>(null);
  useEffect(() => {
    if (!dirty) return;
    const warn = (event: BeforeUnloadEvent) => event.preventDefault();
    const release = hold(setLeaving);
    window.addEventListener("beforeunload", warn);
    return () => {
      release();
      window.removeEventListener("beforeunload", warn);
    };
  }, [dirty]);
  return [leaving, () => setLeaving(null)];
}
