"""AI jobs: what can be asked for, asking for it, following it, cancelling it."""

from datetime import datetime
from typing import Annotated, Any

from django.http import HttpResponse
from ninja import Field, Query, Router, Schema, Status

from backend.api import edits, stream
from backend.api.auth import Request
from backend.api.contract import raises
from backend.api.lists import ByTime, CreatedQuery, Moment, Word, shown
from backend.api.schemas import (
    AssetId,
    BatchId,
    Body,
    DocumentId,
    EditId,
    JobId,
    PageOf,
    PersonId,
    ProjectId,
    RecipeId,
)
from backend.core import ids
from backend.core.errors import NotFound
from backend.generations import previews, queries, services
from backend.generations.errors import (
    BudgetSpent,
    InvalidParameters,
    NotRepeatable,
    NotYourJob,
    StepNotPossible,
    WrongDocument,
)
from backend.generations.outlook import outlook
from backend.generations.scheduler import Lane
from backend.generations.states import State
from backend.projects.queries import access_project
from backend.workspaces.rights import Act
from inference.errors import PictureTooLarge, UnknownTask

router = Router(tags=["jobs"])
PREVIEW = {"content": {"image/webp": {"schema": {"type": "string", "format": "binary"}}}}
router.add_router("", edits.router)
router.add_router("", stream.router)


def _task_names() -> list[str]:
    return [task["name"] for task in queries.tasks()]


TaskName = Annotated[
    str, Field(max_length=100, examples=["enhance"], json_schema_extra=lambda said: said.update(enum=_task_names()))
]


class TaskOut(Schema):
    name: TaskName
    version: str
    title: str
    description: str
    parameters_schema: Annotated[dict[str, Any], Field(description="JSON Schema of `parameters`.")]


class TasksOut(Schema):
    items: list[TaskOut]


class JobQuery(CreatedQuery):
    sort: ByTime = "-created_at"
    state: State | None = None
    task: Word | None = None
    batch_id: BatchId | None = None


class RunIn(Body):
    """Where the result goes, and how a job is run."""

    document_id: Annotated[
        DocumentId | None, Field(description="A board of the project: the result is placed there beside its original.")
    ] = None
    element_id: Annotated[
        str | None,
        Field(max_length=200, pattern=r"^[\x21-\x7e]+$", description="The original's element on that board."),
    ] = None
    lane: Annotated[
        Lane,
        Field(description="What nobody waits for goes by the batch lane: it takes what the interactive one leaves."),
    ] = Lane.INTERACTIVE
    start_by: Annotated[Moment | None, Field(description="A job that could not start until then expires.")] = None
    run_timeout_s: Annotated[
        int | None,
        Field(ge=1, le=86_400, description="How long it may run; by default as long as it needs, within reason."),
    ] = None


class JobIn(RunIn):
    task: TaskName
    input_asset_id: AssetId
    parameters: dict[str, Any] = Field(default_factory=dict, examples=[{"scale": 2}])


class StepOut(Schema):
    task: str
    parameters: dict[str, Any]


class RecipeRunOut(Schema):
    """A recipe as it was when it was run."""

    id: RecipeId
    version: int
    name: str
    steps: list[StepOut]


class ProgressOut(Schema):
    step: Annotated[int, Field(description="Of the recipe, from 1; 0 before it runs.")]
    done: int
    total: Annotated[int, Field(description="Units of work (tiles); 0 until it is known.")]


class JobErrorOut(Schema):
    code: str
    detail: str


class ComparisonOut(Schema):
    """Of a job that was run again with the one that it repeats."""

    identical: Annotated[bool, Field(description="Their results are the same file, byte by byte.")]
    same_model: Annotated[bool, Field(description="The same weights, in the same number format, made both.")]
    max_difference: Annotated[int | None, Field(description="Of a channel of a pixel, of 255; null: other sizes.")]
    psnr_db: Annotated[float | None, Field(description="Null where nothing differs, and where the sizes do.")]


class ExpectedOut(Schema):
    """From what waited when the job was asked for, and from how long such jobs took; `get_job` looks again."""

    starts_at: datetime
    ends_at: datetime
    earliest_end_at: Annotated[datetime, Field(description="Nine of ten jobs end between this and `latest_end_at`.")]
    latest_end_at: datetime


class JobOut(Schema):
    id: JobId
    project_id: ProjectId
    batch_id: BatchId | None
    task: str
    parameters: dict[str, Any]
    recipe: Annotated[RecipeRunOut | None, Field(description="Whose steps the job runs; `task` is then `recipe`.")]
    lane: Lane
    state: State
    progress: ProgressOut
    preview_url: Annotated[
        str | None,
        Field(
            description="While it runs: its picture as far as it is made, small. Another address for each newer one."
        ),
    ]
    input_asset_id: AssetId | None
    output_asset_id: AssetId | None
    document_id: DocumentId | None
    element_id: str | None
    edit_id: Annotated[EditId | None, Field(description="The edit that placed the result; undo it by this id.")]
    error: JobErrorOut | None
    again_of: Annotated[JobId | None, Field(description="The job that this one repeats; it makes no asset of its own.")]
    comparison: ComparisonOut | None
    start_by: datetime | None
    run_timeout_s: int | None
    estimate_s: Annotated[float, Field(description="Seconds of compute, estimated before it ran.")]
    expected: ExpectedOut | None
    compute_s: Annotated[float | None, Field(description="Seconds of compute that it took and is charged for.")]
    created_by: PersonId
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


@router.get("/tasks", response={200: TasksOut}, operation_id="list_tasks")
def list_tasks(request: Request) -> dict[str, Any]:
    """What the models can be asked to do."""
    return {"items": queries.tasks()}


@router.post("/projects/{project_id}/jobs", response={202: JobOut}, operation_id="submit_job")
@raises(UnknownTask, InvalidParameters, PictureTooLarge, WrongDocument, BudgetSpent)
def submit_job(
    request: Request,
    response: HttpResponse,
    project_id: ProjectId,
    payload: JobIn,
) -> Status[dict[str, Any]]:
    """Queue a job and answer at once. Follow it at its Location, or on the project's event stream."""
    project = access_project(request.person_id, project_id, Act.EDIT)
    job = services.submit(
        project,
        task=payload.task,
        input_asset_id=payload.input_asset_id,
        parameters=payload.parameters,
        document_id=payload.document_id,
        element_id=payload.element_id,
        lane=payload.lane,
        start_by=payload.start_by,
        run_timeout_s=payload.run_timeout_s,
        by=request.person_id,
    )
    response["Location"] = f"/api/v1/jobs/{ids.show('job', job.id)}"
    return Status(202, queries.present(job))


@router.post("/jobs/{job_id}/run-again", response={202: JobOut}, operation_id="run_job_again")
@raises(NotRepeatable, BudgetSpent, UnknownTask, InvalidParameters, PictureTooLarge)
def run_job_again(request: Request, response: HttpResponse, job_id: JobId) -> Status[dict[str, Any]]:
    """Do what a job did once more, by the same version of the model, and compare both results: `comparison`."""
    job = services.run_again(job_id, by=request.person_id)
    response["Location"] = f"/api/v1/jobs/{ids.show('job', job.id)}"
    return Status(202, queries.present(job))


@router.get("/projects/{project_id}/jobs", response={200: PageOf[JobOut]}, operation_id="list_jobs")
def list_jobs(request: Request, project_id: ProjectId, query: Query[JobQuery]) -> HttpResponse:
    """The jobs of a project."""
    project = access_project(request.person_id, project_id, Act.READ)
    return shown(queries.jobs_in(project, query.ask(request)), queries.present)


@router.get("/jobs/{job_id}", response={200: JobOut}, operation_id="get_job")
def get_job(request: Request, job_id: JobId) -> dict[str, Any]:
    """While it waits, `expected` is by the queue as it is now."""
    job = queries.access_job(request.person_id, job_id, Act.READ)
    if job.state == State.QUEUED:
        outlook.look_again(job)
    return queries.present(job)


@router.get(
    "/jobs/{job_id}/preview",
    response={200: None},
    operation_id="get_job_preview",
    openapi_extra={
        "responses": {200: {"description": "The picture, as WebP: transparent where nothing is yet.", **PREVIEW}}
    },
)
def get_job_preview(request: Request, job_id: JobId, n: Annotated[int, Query(ge=0, le=2**31)] = 0) -> HttpResponse:
    """What a job that runs has made by now, of at most 512 pixels a side. 404 before, afterwards, and for small ones.

    `n`: as `preview_url` has it; the newest is given, whatever it is.
    """
    job = queries.access_job(request.person_id, job_id, Act.READ)
    data = previews.latest(job.id) if job.state == State.RUNNING else None
    if data is None:
        raise NotFound("There is no preview of this job, or no more: look at what it made.")
    return HttpResponse(data, content_type="image/webp", headers={"Cache-Control": "private, no-store"})


@router.post("/jobs/{job_id}/cancel", response={200: JobOut}, operation_id="cancel_job")
@raises(StepNotPossible, NotYourJob)
def cancel_job(request: Request, job_id: JobId) -> dict[str, Any]:
    """End a job at once, whether it waits or runs. Cancelling it again answers the same; an ended one answers 409."""
    return queries.present(services.cancel(job_id, by=request.person_id))
