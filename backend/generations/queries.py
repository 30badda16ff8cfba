"""Reads jobs and the tasks that there are, and shows them."""

import uuid
from collections.abc import Iterable
from contextlib import closing
from datetime import timedelta
from typing import Any

from django.db import connections

from backend.core import ids, times
from backend.core.errors import NotFound
from backend.core.pagination import CREATED, Ask, Listing, Page, page
from backend.core.rows import by_id
from backend.generations.models import Job
from backend.generations.states import State
from backend.projects.models import Project
from backend.projects.queries import access_project
from backend.workspaces.rights import Act
from inference.registry import TASKS

_JOBS = Listing(
    {"created_at": "created_at"},
    {**CREATED, "created_by": "person_id", "state": "state", "task": "task", "batch_id": "batch_id"},
)


def access_job(person_id: uuid.UUID, job_id: uuid.UUID, act: Act, *, lock: bool = False) -> Job:
    """The job, with the open transaction bound to its workspace; with `lock` its row is the transaction's.

    Raises: NotFound, Forbidden.
    """
    job = _found(job_id)
    access_project(person_id, job.project_id, act)
    return _found(job_id, lock=True) if lock else job


def _found(job_id: uuid.UUID, *, lock: bool = False) -> Job:
    job = by_id(Job, job_id, lock=lock)
    if job is None:
        raise NotFound("There is no such job, or it is not yours to see.")
    return job


def jobs_in(project: Project, ask: Ask) -> Page[Job]:
    return page(Job.objects.filter(project=project), ask, _JOBS)


def tasks() -> list[dict[str, Any]]:
    """What can be asked for, with the JSON Schema of each task's parameters."""
    return [
        {
            "name": task.name,
            "version": task.version,
            "title": task.title,
            "description": task.description,
            "parameters_schema": task.parameters.model_json_schema(),
        }
        for task in TASKS.values()
    ]


def counted(*states: State) -> dict[str, int]:
    """How many jobs of all workspaces are in each of `states`, as the role `system`."""
    with closing(connections["system"]) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT state, count(*) FROM generations_job WHERE state = ANY(%s) GROUP BY state", [list(states)]
        )
        return {state.value: 0 for state in states} | dict(cursor.fetchall())


def present(job: Job) -> dict[str, Any]:
    """The job as the API and live messages show it."""
    return {
        "id": ids.show("job", job.id),
        "project_id": ids.show("prj", job.project_id),
        "batch_id": _shown("bat", job.batch_id),
        "task": job.task,
        "parameters": job.parameters,
        "lane": job.lane,
        "state": job.state,
        "recipe": present_recipe(job.recipe),
        "progress": {"done": job.progress_done, "total": job.progress_total, "step": job.progress_step},
        "preview_url": preview_url(job.id, job.progress_preview) if job.state == State.RUNNING else None,
        "input_asset_id": _shown("ast", job.input_asset_id),
        "output_asset_id": _shown("ast", job.output_asset_id),
        "document_id": _shown("doc", job.document_id),
        "element_id": job.element_id,
        "edit_id": _shown("edt", job.edit_id),
        "error": job.error,
        "again_of": _shown("job", job.again_of),
        "comparison": job.comparison,
        "start_by": times.show(job.start_by) if job.start_by else None,
        "run_timeout_s": job.run_timeout_s,
        "estimate_s": job.estimate_us / 1e6,
        "expected": _expected(job),
        "compute_s": None if job.compute_us is None else job.compute_us / 1e6,
        "created_by": ids.show("per", job.person_id),
        "created_at": times.show(job.created_at),
        "started_at": times.show(job.started_at) if job.started_at else None,
        "finished_at": times.show(job.finished_at) if job.finished_at else None,
    }


def preview_url(job_id: uuid.UUID, number: int) -> str | None:
    """Another one for each that is shown."""
    return f"/api/v1/jobs/{ids.show('job', job_id)}/preview?n={number}" if number else None


def presented(job_ids: Iterable[uuid.UUID]) -> list[dict[str, Any]]:
    """Those of the jobs that the open transaction may see, as `present` shows them."""
    return [present(job) for job in Job.objects.filter(pk__in=set(job_ids))]


def present_recipe(recipe: dict[str, Any] | None) -> dict[str, Any] | None:
    """As a job or a batch holds it."""
    if recipe is None:
        return None
    steps = [{"task": step["task"], "parameters": step["parameters"]} for step in recipe["steps"]]
    shown = ids.show("rcp", uuid.UUID(recipe["id"]))
    return {"id": shown, "version": recipe["version"], "name": recipe["name"], "steps": steps}


def _expected(job: Job) -> dict[str, str] | None:
    """As moments, by the job's own clock."""
    if job.expected is None:
        return None
    seconds = {"starts_at": "starts", "ends_at": "ends", "earliest_end_at": "earliest", "latest_end_at": "latest"}
    return {
        shown: times.show(job.created_at + timedelta(seconds=job.expected[name])) for shown, name in seconds.items()
    }


def _shown(prefix: str, value: uuid.UUID | None) -> str | None:
    return ids.show(prefix, value) if value else None
