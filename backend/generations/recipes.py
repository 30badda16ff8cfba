"""Keeps a workspace's recipes, with all that each of them was, and runs one on a picture or on many."""

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from backend.assets.models import Asset
from backend.assets.queries import access_asset, assets_of
from backend.core import events, ids, times
from backend.core.errors import Conflict, NotFound
from backend.core.pagination import CREATED, Ask, Listing, Page, page
from backend.generations import batches, chains, intermediates, rollouts, services
from backend.generations.chains import Chain
from backend.generations.models import Batch, Job, Recipe, RecipeVersion
from backend.generations.scheduler import Lane
from backend.projects.models import Project
from backend.workspaces.models import Workspace
from backend.workspaces.queries import access_workspace
from backend.workspaces.rights import Act

_RECIPES = Listing(
    {"created_at": "created_at", "name": "folded"}, {**CREATED, "created_by": "created_by_id", "q": "folded__holds"}
)
_VERSIONS = Listing({"created_at": "created_at"}, {**CREATED, "created_by": "created_by_id"})


def create(workspace: Workspace, *, name: str, steps: Sequence[dict[str, Any]], by: uuid.UUID) -> Recipe:
    """`steps`: [{task, parameters}]. The caller has shown the right EDIT.

    Raises: UnknownTask, InvalidParameters.
    """
    recipe = Recipe(
        id=ids.new_id(), workspace=workspace, name=name.strip(), steps=_written(_checked(steps)), created_by_id=by
    )
    recipe.save(force_insert=True)
    _keep_version(recipe, by)
    _tell("recipe.created", recipe, by)
    return recipe


def change(recipe: Recipe, *, name: str | None, steps: Sequence[dict[str, Any]] | None, by: uuid.UUID) -> None:
    """Make a new version of it, where anything is new. The caller has locked the row and shown the right EDIT.

    Raises: as `create`.
    """
    new_name = recipe.name if name is None else name.strip()
    new_steps = recipe.steps if steps is None else _written(_checked(steps))
    if (new_name, new_steps) == (recipe.name, recipe.steps):
        return
    recipe.name, recipe.steps, recipe.version = new_name, new_steps, recipe.version + 1
    recipe.save(update_fields=["name", "steps", "version"])
    _keep_version(recipe, by)
    _tell("recipe.changed", recipe, by)


def delete(recipe: Recipe, *, by: uuid.UUID) -> None:
    """With its versions. Jobs that were asked for have their steps, and go on. As `change`."""
    _tell("recipe.deleted", recipe, by)
    recipe.delete()


def access(person_id: uuid.UUID, recipe_id: uuid.UUID, act: Act, *, lock: bool = False) -> Recipe:
    """The recipe, with the open transaction bound to its workspace; with `lock` its row is the transaction's.

    Raises: NotFound, Forbidden.
    """
    found = Recipe.objects.filter(pk=recipe_id)
    recipe = found.first()
    if recipe is None:
        raise NotFound("There is no such recipe, or it is not yours to see.")
    access_workspace(person_id, recipe.workspace_id, act)
    return found.select_for_update().get() if lock else recipe


def recipes_in(workspace: Workspace, ask: Ask) -> Page[Recipe]:
    return page(Recipe.objects.filter(workspace=workspace), ask, _RECIPES)


def versions_of(recipe: Recipe, ask: Ask) -> Page[RecipeVersion]:
    return page(RecipeVersion.objects.filter(recipe=recipe), ask, _VERSIONS)


def run(
    recipe: Recipe,
    *,
    input_asset_id: uuid.UUID,
    by: uuid.UUID,
    document_id: uuid.UUID | None = None,
    element_id: str | None = None,
    lane: Lane = Lane.INTERACTIVE,
    start_by: datetime | None = None,
    run_timeout_s: int | None = None,
) -> Job:
    """Queue one job that runs all steps on an asset of the recipe's workspace. The caller has shown the right EDIT.

    Raises:
        NotFound, Conflict (the asset is of another workspace), UnknownTask, InvalidParameters (a step that this release
        takes no longer), PictureTooLarge, WrongDocument, BudgetSpent: nothing was queued.
    """
    asset = access_asset(by, input_asset_id, Act.EDIT)
    if asset.workspace_id != recipe.workspace_id:
        raise Conflict("The asset is of another workspace than the recipe.", field="input_asset_id")
    if document_id:
        services.check_document(asset.project, document_id, by)
    fields = {
        "document_id": document_id,
        "element_id": element_id,
        "lane": lane.value,
        "start_by": start_by,
        "run_timeout_s": run_timeout_s,
    }
    [job] = _jobs(recipe, asset.project, [asset], by=by, **fields)
    return services.queued(job)


def run_on_many(
    recipe: Recipe,
    project: Project,
    *,
    input_asset_ids: Sequence[uuid.UUID],
    by: uuid.UUID,
    lane: Lane = Lane.BATCH,
    start_by: datetime | None = None,
    run_timeout_s: int | None = None,
) -> Batch:
    """Queue a job for each asset of the project, all or none. Needs the right EDIT, shown by the caller.

    Raises: as `run`; BatchTooLarge.
    """
    if project.workspace_id != recipe.workspace_id:
        raise Conflict("The project is of another workspace than the recipe.", field="project_id")
    batches.check_count(len(input_asset_ids))
    assets = assets_of(project, input_asset_ids)
    jobs = _jobs(recipe, project, assets, by=by, lane=lane.value, start_by=start_by, run_timeout_s=run_timeout_s)
    return batches.queued(jobs)


def _jobs(recipe: Recipe, project: Project, assets: Iterable[Asset], *, by: uuid.UUID, **fields: Any) -> list[Job]:
    steps = _checked(recipe.steps)
    said = {"id": str(recipe.id), "version": recipe.version, "name": recipe.name}
    jobs = [(services.new_job(project, steps, asset, by=by, recipe=said, **fields), asset) for asset in assets]
    _leave_out_what_is_kept(steps, jobs)
    return [job for job, _ in jobs]


def _leave_out_what_is_kept(steps: Chain, jobs: Sequence[tuple[Job, Asset]]) -> None:
    """The estimate is of what will be computed."""
    contents = [chains.contents(asset.sha256, steps, rollouts.models_of(steps, job.id))[:-1] for job, asset in jobs]
    known = intermediates.known(jobs[0][0].workspace_id, [one for several in contents for one in several])
    for (job, asset), several in zip(jobs, contents, strict=True):
        done = max((number for number, content in enumerate(several, 1) if content in known), default=0)
        costs_s = chains.costs_s(steps, width=asset.width, height=asset.height)
        job.estimate_us = round(1e6 * sum(costs_s[done:]))


def _checked(steps: Sequence[dict[str, Any]]) -> Chain:
    return [
        services.check_step(step["task"], step["parameters"], at=("steps", index)) for index, step in enumerate(steps)
    ]


def _written(steps: Chain) -> list[dict[str, Any]]:
    return [step.written() for step in steps]


def _keep_version(recipe: Recipe, by: uuid.UUID) -> None:
    RecipeVersion.objects.create(
        id=ids.new_id(),
        workspace_id=recipe.workspace_id,
        recipe=recipe,
        version=recipe.version,
        name=recipe.name,
        steps=recipe.steps,
        created_by_id=by,
    )


def _tell(kind: str, recipe: Recipe, by: uuid.UUID) -> None:
    shown = ids.show("rcp", recipe.id)
    events.record(
        kind,
        workspace_id=recipe.workspace_id,
        resource=shown,
        person_id=by,
        data={"recipe_id": shown, "version": recipe.version},
    )


def present(recipe: Recipe) -> dict[str, Any]:
    return {
        "id": ids.show("rcp", recipe.id),
        "workspace_id": ids.show("wsp", recipe.workspace_id),
        "name": recipe.name,
        "version": recipe.version,
        "steps": _shown(recipe.steps),
        "created_by": ids.show("per", recipe.created_by_id),
        "created_at": times.show(recipe.created_at),
    }


def present_version(version: RecipeVersion) -> dict[str, Any]:
    return {
        "version": version.version,
        "name": version.name,
        "steps": _shown(version.steps),
        "created_by": ids.show("per", version.created_by_id),
        "created_at": times.show(version.created_at),
    }


def _shown(steps: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"task": step["task"], "parameters": step["parameters"]} for step in steps]
