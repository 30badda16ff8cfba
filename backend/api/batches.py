"""Batches: one task on many assets, with each of some parameters' values."""

from datetime import datetime
from typing import Annotated, Any

from django.conf import settings
from django.http import HttpResponse
from ninja import Field, Query, Router, Schema, Status

from backend.api.auth import Request
from backend.api.contract import raises
from backend.api.jobs import RecipeRunOut, TaskName
from backend.api.lists import ByTime, CreatedQuery, Moment, Word, shown_together
from backend.api.schemas import AssetId, BatchId, Body, PageOf, PersonId, ProjectId
from backend.core import ids
from backend.generations import batches
from backend.generations.errors import BatchTooLarge, BudgetSpent, InvalidParameters, NotYourJob
from backend.generations.scheduler import Lane
from backend.projects.queries import access_project
from backend.workspaces.rights import Act
from inference.errors import PictureTooLarge, UnknownTask

router = Router(tags=["jobs"])


class BatchQuery(CreatedQuery):
    sort: ByTime = "-created_at"
    task: Word | None = None


class BatchRunIn(Body):
    """What is worked on, and how the jobs are run."""

    input_asset_ids: Annotated[list[AssetId], Field(min_length=1, max_length=settings.MAX_BATCH_JOBS)]
    lane: Lane = Lane.BATCH
    start_by: Annotated[Moment | None, Field(description="Jobs that could not start until then expire.")] = None
    run_timeout_s: Annotated[int | None, Field(ge=1, le=86_400, description="Of each job.")] = None


class BatchIn(BatchRunIn):
    task: Annotated[TaskName, Field(examples=["denoise"])]
    parameters: dict[str, Any] = Field(default_factory=dict, description="Those that all jobs have.")
    vary: Annotated[
        dict[str, Annotated[list[Any], Field(min_length=1, max_length=100)]],
        Field(
            max_length=10,
            description="Values of other parameters: each asset gets a job for each combination of them.",
            examples=[{"strength": [10, 25, 50]}],
        ),
    ] = {}  # pydantic copies it


class BatchStatesOut(Schema):
    queued: int
    running: int
    succeeded: int
    failed: int
    cancelled: int
    expired: int


class BatchOut(Schema):
    id: BatchId
    project_id: ProjectId
    task: str
    recipe: Annotated[RecipeRunOut | None, Field(description="That is run on each; `task` is then `recipe`.")]
    jobs: int
    states: Annotated[BatchStatesOut, Field(description="How many of the jobs are in each state.")]
    ended: bool
    estimate_s: Annotated[float, Field(description="Seconds of compute of all jobs, estimated before they ran.")]
    compute_s: Annotated[float, Field(description="Seconds of compute that they took until now.")]
    created_by: PersonId
    created_at: datetime


@router.post("/projects/{project_id}/batches", response={202: BatchOut}, operation_id="submit_batch")
@raises(UnknownTask, InvalidParameters, PictureTooLarge, BatchTooLarge, BudgetSpent)
def submit_batch(
    request: Request, response: HttpResponse, project_id: ProjectId, payload: BatchIn
) -> Status[dict[str, Any]]:
    """Queue many jobs, all or none of them. List them by `batch_id`; they are jobs like any other."""
    project = access_project(request.person_id, project_id, Act.EDIT)
    batch = batches.submit_batch(
        project,
        task=payload.task,
        input_asset_ids=payload.input_asset_ids,
        parameters=payload.parameters,
        vary=payload.vary,
        lane=payload.lane,
        start_by=payload.start_by,
        run_timeout_s=payload.run_timeout_s,
        by=request.person_id,
    )
    response["Location"] = f"/api/v1/batches/{ids.show('bat', batch.id)}"
    return Status(202, batches.present(batch))


@router.get("/projects/{project_id}/batches", response={200: PageOf[BatchOut]}, operation_id="list_batches")
def list_batches(request: Request, project_id: ProjectId, query: Query[BatchQuery]) -> HttpResponse:
    """The batches of a project."""
    project = access_project(request.person_id, project_id, Act.READ)
    return shown_together(batches.batches_in(project, query.ask(request)), batches.presented)


@router.get("/batches/{batch_id}", response={200: BatchOut}, operation_id="get_batch")
def get_batch(request: Request, batch_id: BatchId) -> dict[str, Any]:
    return batches.present(batches.access_batch(request.person_id, batch_id, Act.READ))


@router.post("/batches/{batch_id}/cancel", response={200: BatchOut}, operation_id="cancel_batch")
@raises(NotYourJob)
def cancel_batch(request: Request, batch_id: BatchId) -> dict[str, Any]:
    """End all of its jobs that have not ended. Doing it again answers the same."""
    return batches.present(batches.cancel_batch(batch_id, by=request.person_id))
