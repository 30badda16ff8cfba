"""Recipes: tasks that are run one after another as one job, kept and shared in a workspace."""

from datetime import datetime
from typing import Annotated, Any

from django.conf import settings
from django.http import HttpResponse
from ninja import Field, Query, Router, Schema, Status

from backend.api.auth import Request
from backend.api.batches import BatchOut, BatchRunIn
from backend.api.contract import raises
from backend.api.jobs import JobOut, RunIn, StepOut, TaskName
from backend.api.lists import ByTime, ByTimeOrName, CreatedQuery, Search, shown
from backend.api.schemas import AssetId, Body, Name, PageOf, PersonId, ProjectId, RecipeId, WorkspaceId
from backend.core import conditions, ids
from backend.core.errors import Conflict
from backend.generations import batches, queries, recipes
from backend.generations.errors import BatchTooLarge, BudgetSpent, InvalidParameters, WrongDocument
from backend.projects.queries import access_project
from backend.workspaces.queries import access_workspace
from backend.workspaces.rights import Act
from inference.errors import PictureTooLarge, UnknownTask

router = Router(tags=["recipes"])


class StepIn(Body):
    task: TaskName
    parameters: dict[str, Any] = Field(default_factory=dict)


Steps = Annotated[
    list[StepIn],
    Field(min_length=1, max_length=settings.MAX_RECIPE_STEPS, description="Each works on what the one before it made."),
]


class RecipeQuery(CreatedQuery):
    sort: ByTimeOrName = "-created_at"
    q: Search | None = None


class RecipeVersionQuery(CreatedQuery):
    sort: ByTime = "-created_at"


class RecipeIn(Body):
    name: Name
    steps: Annotated[
        Steps,
        Field(
            examples=[
                [
                    {"task": "denoise", "parameters": {"strength": 15}},
                    {"task": "enhance", "parameters": {}},
                    {"task": "edges", "parameters": {"lines": "black"}},
                ]
            ]
        ),
    ]


class RecipeChangeIn(Body):
    name: Name | None = None
    steps: Steps | None = None


class RecipeVersionOut(Schema):
    version: int
    name: str
    steps: list[StepOut]
    created_by: PersonId
    created_at: datetime


class RecipeOut(Schema):
    id: RecipeId
    workspace_id: WorkspaceId
    name: str
    version: Annotated[int, Field(description="Counts its changes, and is its ETag.")]
    steps: list[StepOut]
    created_by: PersonId
    created_at: datetime


class RecipeRunIn(RunIn):
    input_asset_id: AssetId


class RecipeBatchIn(BatchRunIn):
    project_id: ProjectId


@router.get("/workspaces/{workspace_id}/recipes", response={200: PageOf[RecipeOut]}, operation_id="list_recipes")
def list_recipes(request: Request, workspace_id: WorkspaceId, query: Query[RecipeQuery]) -> HttpResponse:
    """The recipes of a workspace."""
    workspace = access_workspace(request.person_id, workspace_id, Act.READ)
    return shown(recipes.recipes_in(workspace, query.ask(request)), recipes.present)


@router.post("/workspaces/{workspace_id}/recipes", response={201: RecipeOut}, operation_id="create_recipe")
@raises(UnknownTask, InvalidParameters)
def create_recipe(
    request: Request, response: HttpResponse, workspace_id: WorkspaceId, payload: RecipeIn
) -> Status[dict[str, Any]]:
    """Keep steps under a name, for everybody in the workspace."""
    workspace = access_workspace(request.person_id, workspace_id, Act.EDIT)
    recipe = recipes.create(workspace, name=payload.name, steps=_steps(payload.steps), by=request.person_id)
    response["ETag"] = conditions.etag(recipe.version)
    return Status(201, recipes.present(recipe))


@router.get("/recipes/{recipe_id}", response={200: RecipeOut}, operation_id="get_recipe")
def get_recipe(request: Request, response: HttpResponse, recipe_id: RecipeId) -> dict[str, Any]:
    recipe = recipes.access(request.person_id, recipe_id, Act.READ)
    response["ETag"] = conditions.etag(recipe.version)
    return recipes.present(recipe)


@router.patch("/recipes/{recipe_id}", response={200: RecipeOut}, operation_id="change_recipe")
@raises(UnknownTask, InvalidParameters, conditional=True)
def change_recipe(
    request: Request, response: HttpResponse, recipe_id: RecipeId, payload: RecipeChangeIn
) -> dict[str, Any]:
    """Make a new version of it: the old ones stay, and jobs that were asked for go on by theirs."""
    recipe = recipes.access(request.person_id, recipe_id, Act.EDIT, lock=True)
    conditions.check_match(request, recipe.version)
    steps = None if payload.steps is None else _steps(payload.steps)
    recipes.change(recipe, name=payload.name, steps=steps, by=request.person_id)
    response["ETag"] = conditions.etag(recipe.version)
    return recipes.present(recipe)


@router.delete("/recipes/{recipe_id}", response={204: None}, operation_id="delete_recipe")
@raises(conditional=True)
def delete_recipe(request: Request, recipe_id: RecipeId) -> Status[None]:
    """With all its versions. What it made stays, and jobs that were asked for go on."""
    recipe = recipes.access(request.person_id, recipe_id, Act.EDIT, lock=True)
    conditions.check_match(request, recipe.version)
    recipes.delete(recipe, by=request.person_id)
    return Status(204, None)


@router.get(
    "/recipes/{recipe_id}/versions", response={200: PageOf[RecipeVersionOut]}, operation_id="list_recipe_versions"
)
def list_recipe_versions(request: Request, recipe_id: RecipeId, query: Query[RecipeVersionQuery]) -> HttpResponse:
    """What the recipe was, and who made it so. To go back, write an old version's steps anew."""
    recipe = recipes.access(request.person_id, recipe_id, Act.READ)
    return shown(recipes.versions_of(recipe, query.ask(request)), recipes.present_version)


@router.post("/recipes/{recipe_id}/run", response={202: JobOut}, operation_id="run_recipe")
@raises(UnknownTask, InvalidParameters, PictureTooLarge, WrongDocument, BudgetSpent, Conflict)
def run_recipe(
    request: Request, response: HttpResponse, recipe_id: RecipeId, payload: RecipeRunIn
) -> Status[dict[str, Any]]:
    """Queue one job that runs all steps on an asset, in the asset's project. What is known of it is left out."""
    recipe = recipes.access(request.person_id, recipe_id, Act.EDIT)
    job = recipes.run(
        recipe,
        input_asset_id=payload.input_asset_id,
        document_id=payload.document_id,
        element_id=payload.element_id,
        lane=payload.lane,
        start_by=payload.start_by,
        run_timeout_s=payload.run_timeout_s,
        by=request.person_id,
    )
    response["Location"] = f"/api/v1/jobs/{ids.show('job', job.id)}"
    return Status(202, queries.present(job))


@router.post("/recipes/{recipe_id}/run-batch", response={202: BatchOut}, operation_id="run_recipe_on_many")
@raises(UnknownTask, InvalidParameters, PictureTooLarge, BatchTooLarge, BudgetSpent, Conflict)
def run_recipe_on_many(
    request: Request, response: HttpResponse, recipe_id: RecipeId, payload: RecipeBatchIn
) -> Status[dict[str, Any]]:
    """Queue a job for each asset, all or none of them, as `submit_batch` does."""
    recipe = recipes.access(request.person_id, recipe_id, Act.EDIT)
    project = access_project(request.person_id, payload.project_id, Act.EDIT)
    batch = recipes.run_on_many(
        recipe,
        project,
        input_asset_ids=payload.input_asset_ids,
        lane=payload.lane,
        start_by=payload.start_by,
        run_timeout_s=payload.run_timeout_s,
        by=request.person_id,
    )
    response["Location"] = f"/api/v1/batches/{ids.show('bat', batch.id)}"
    return Status(202, batches.present(batch))


def _steps(steps: list[StepIn]) -> list[dict[str, Any]]:
    return [{"task": step.task, "parameters": step.parameters} for step in steps]
