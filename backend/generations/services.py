"""Takes jobs in and ends them: submit, cancel, and the one place where a job changes its state."""

import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pydantic

from backend.assets.models import Asset
from backend.assets.queries import asset_of, made_by
from backend.core import events, ids, live, queue, rows, trace
from backend.generations import budgets, chains, states
from backend.generations.chains import Chain, ChainStep
from backend.generations.errors import InvalidParameters, NotRepeatable, NotYourJob, WrongDocument
from backend.generations.models import Job
from backend.generations.outlook import outlook
from backend.generations.queries import access_job, present
from backend.generations.scheduler import Lane
from backend.generations.states import State, Step
from backend.projects.models import DocumentKind, Project
from backend.projects.queries import access_document
from backend.workspaces.queries import has_right
from backend.workspaces.rights import Act
from collab import edits
from inference.errors import UnknownTask
from inference.registry import task_named


def submit(
    project: Project,
    *,
    task: str,
    input_asset_id: uuid.UUID,
    parameters: dict[str, Any],
    by: uuid.UUID,
    document_id: uuid.UUID | None = None,
    element_id: str | None = None,
    lane: Lane = Lane.INTERACTIVE,
    start_by: datetime | None = None,
    run_timeout_s: int | None = None,
) -> Job:
    """Queue a job. The caller has shown the right EDIT, so the transaction is in the workspace.

    Raises:
        UnknownTask, InvalidParameters, PictureTooLarge, WrongDocument, NotFound, BudgetSpent: nothing was queued.
    """
    step = check_step(task, parameters)
    asset = asset_of(project, input_asset_id)
    if document_id:
        check_document(project, document_id, by)
    job = new_job(
        project,
        [step],
        asset,
        by=by,
        document_id=document_id,
        element_id=element_id,
        lane=lane.value,
        start_by=start_by,
        run_timeout_s=run_timeout_s,
    )
    return queued(job)


def queued(job: Job) -> Job:
    """Write and tell it, and wake a worker. Raises: BudgetSpent."""
    budgets.admit(job.workspace_id, job.person_id, job.estimate_us)
    outlook.foresee([job])
    rows.add(job)
    tell(job, "job.submitted", asset_id=job.input_asset_id)
    queue.enqueue("generations.run_next")
    return job


def run_again(job_id: uuid.UUID, *, by: uuid.UUID) -> Job:
    """Queue the job once more, by the same version of its model; in the end both results are compared, and the first
    one stays the only one.

    Raises:
        NotFound, Forbidden; NotRepeatable; BudgetSpent: nothing was queued.
    """
    first = access_job(by, job_id, Act.EDIT)
    made = made_by(first.id)
    if first.state != State.SUCCEEDED or first.input_asset is None or made is None:
        raise NotRepeatable("It has made nothing, or its input or its result is no longer there.")
    asked = first.recipe["steps"] if first.recipe else [{"task": first.task, "parameters": first.parameters}]
    steps = [
        replace(check_step(one["task"], one["parameters"]), version=model.version)
        for one, model in zip(asked, made.models, strict=True)
    ]
    job = new_job(
        first.project, steps, first.input_asset, recipe=first.recipe, by=by, lane=first.lane, again_of=first.id
    )
    return queued(job)


def new_job(
    project: Project,
    steps: Chain,
    asset: Asset,
    *,
    by: uuid.UUID,
    recipe: Mapping[str, Any] | None = None,
    **fields: Any,
) -> Job:
    """A job that is not yet written. `recipe`: {id, version, name} of that which the steps are of.

    Raises: PictureTooLarge.
    """
    chains.check_sizes(steps, width=asset.width, height=asset.height)
    written = [step.written() for step in steps]
    alone = {} if recipe else written[0]
    return Job(
        id=ids.new_id(),
        workspace_id=project.workspace_id,
        project=project,
        person_id=by,
        task=alone.get("task", chains.RECIPE),
        task_version=alone.get("task_version", ""),
        parameters=alone.get("parameters", {}),
        model_version=alone.get("model_version"),
        recipe={**recipe, "steps": written} if recipe else None,
        input_asset=asset,
        traceparent=trace.current(),
        estimate_us=round(1e6 * sum(chains.costs_s(steps, width=asset.width, height=asset.height))),
        **fields,
    )


def check_step(task: str, parameters: dict[str, Any], *, at: tuple[str | int, ...] = ()) -> ChainStep:
    """`at`: where it stands in what was sent. Raises: UnknownTask, InvalidParameters."""
    try:
        contract = task_named(task)
    except UnknownTask as exc:
        raise UnknownTask(exc.detail, field=".".join(map(str, (*at, "task")))) from exc
    try:
        return ChainStep(contract, contract.parameters.model_validate(parameters))
    except pydantic.ValidationError as exc:
        found = exc.errors(include_url=False, include_input=False)
        raise InvalidParameters.of(((*at, "parameters", *error["loc"]), error["msg"]) for error in found) from exc


def check_document(project: Project, document_id: uuid.UUID, by: uuid.UUID) -> None:
    """Whether results can be placed there. Raises: NotFound, Forbidden, WrongDocument."""
    document = access_document(by, document_id, Act.EDIT)
    if document.project_id != project.id:
        raise WrongDocument("The document is in another project than the job.")
    if document.kind != DocumentKind.BOARD:
        raise WrongDocument("Results are placed on boards; this document is none.")


def cancel(job_id: uuid.UUID, *, by: uuid.UUID) -> Job:
    """End the job now. Its worker finds its lease gone within a fifth of a second, and stops Triton's work. Idempotent.

    Raises:
        NotFound, Forbidden; NotYourJob: another person's, by somebody who does not manage the workspace.
        StepNotPossible: it has succeeded or failed already.
    """
    job = access_job(by, job_id, Act.EDIT, lock=True)
    check_own(job.person_id, job.workspace_id, by)
    if job.state != State.CANCELLED:
        cancel_locked(job, by=by)
    return job


def check_own(asked_by: uuid.UUID, workspace_id: uuid.UUID, by: uuid.UUID) -> None:
    """Raises: NotYourJob."""
    if asked_by != by and not has_right(by, workspace_id, Act.MANAGE):
        raise NotYourJob("Only the person who started a job, or who manages the workspace, may cancel it.")


def cancel_locked(job: Job, *, by: uuid.UUID) -> None:
    """Raises: StepNotPossible."""
    advance(job, Step.CANCEL)
    tell(job, "job.cancelled", asset_id=job.input_asset_id, person_id=by)


def undo_edit(document_id: uuid.UUID, edit_id: uuid.UUID, *, by: uuid.UUID) -> bool:
    """Take back an edit that was made on behalf of `by`. Idempotent: False when it was undone already.

    Raises:
        NotFound, Forbidden: no such document or edit, somebody else's, or no right to edit.
    """
    document = access_document(by, document_id, Act.EDIT)
    undone = edits.undo(edit_id, document_id=document.id, person_id=by)
    if undone:
        shown = ids.show("doc", document.id)
        events.record(
            "edit.undone",
            workspace_id=document.workspace_id,
            resource=shown,
            person_id=by,
            data={
                "project_id": ids.show("prj", document.project_id),
                "document_id": shown,
                "edit_id": ids.show("edt", edit_id),
                "tool": "undo",
            },
        )
    return undone


def advance(job: Job, step: Step, *, at: datetime | None = None, **fields: Any) -> None:
    """Take `step` with the job, whose row the caller has locked, and write `fields` with it. `at`: now, by the
    database's clock, where the caller knows it. Raises StepNotPossible.
    """
    job.state = states.after(job.state, step).value
    if job.state in states.ENDED:
        fields["finished_at"] = at or events.database_now()
    for name, value in fields.items():
        setattr(job, name, value)
    rows.change(job, ["state", *fields])


def tell(
    job: Job, kind: str, *, asset_id: uuid.UUID | None, person_id: uuid.UUID | None = None, **data: str | None
) -> None:
    """Record what became of the job, and show it to open pages, on the commit of the open transaction."""
    shown, project = ids.show("job", job.id), ids.show("prj", job.project_id)
    event_id = events.record(
        kind,
        workspace_id=job.workspace_id,
        resource=shown,
        person_id=person_id or job.person_id,
        data={
            "project_id": project,
            "job_id": shown,
            "task": job.task,
            "asset_id": ids.show("ast", asset_id) if asset_id else None,
            "document_id": ids.show("doc", job.document_id) if job.document_id else None,
            **data,
        },
    )
    live.publish(project, "job", present(job), event_id=event_id)


def put_back(job: Job, error: dict[str, str], *, lost: bool) -> None:
    """After a passing fault, or a lost worker: queue the locked job again after a back-off, or fail it at the limit."""
    job.losses += int(lost)
    if not states.may_try_again(tries=job.attempt, losses=job.losses):
        fail(job, error)
        return
    wait = timedelta(seconds=0 if lost else states.back_off_s(job.attempt))
    advance(
        job,
        Step.PUT_BACK,
        losses=job.losses,
        not_before=events.database_now() + wait,  # a worker's own clock may be wrong
        lease_until=None,
        progress_done=0,
    )
    live.publish(ids.show("prj", job.project_id), "job", present(job))


def expire(job: Job) -> None:
    """End the locked job, which still waits at the time by which it was to start."""
    advance(job, Step.EXPIRE)
    tell(job, "job.expired", asset_id=job.input_asset_id)


def fail(job: Job, error: dict[str, str]) -> None:
    """End the locked job without a result."""
    advance(job, Step.FAIL, error=error, losses=job.losses)
    tell(job, "job.failed", asset_id=job.input_asset_id, code=error["code"])
