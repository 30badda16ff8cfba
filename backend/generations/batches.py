"""Takes many jobs in at once, and ends them together: one task on many assets, with each of some parameters' values.

All or nothing: what is wrong with one job is told before any is queued. The jobs are jobs like any other, and go by the
batch lane where nothing else is asked for.
"""

import itertools
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Count, Sum

from backend.assets.queries import assets_of
from backend.core import events, ids, live, queue, times
from backend.core.errors import InvalidInput, NotFound
from backend.core.pagination import CREATED, Ask, Listing, Page, page
from backend.generations import budgets, services
from backend.generations.errors import BatchTooLarge
from backend.generations.models import Batch, Job
from backend.generations.outlook import outlook
from backend.generations.queries import present_recipe
from backend.generations.scheduler import Lane
from backend.generations.states import ENDED, State
from backend.projects.models import Project
from backend.projects.queries import access_project
from backend.workspaces.rights import Act

_BATCHES = Listing({"created_at": "created_at"}, {**CREATED, "created_by": "person_id", "task": "task"})


def submit_batch(
    project: Project,
    *,
    task: str,
    input_asset_ids: Sequence[uuid.UUID],
    parameters: Mapping[str, Any],
    vary: Mapping[str, Sequence[Any]],
    by: uuid.UUID,
    lane: Lane = Lane.BATCH,
    start_by: datetime | None = None,
    run_timeout_s: int | None = None,
) -> Batch:
    """Queue one job for each asset and each combination of `vary`'s values. The caller has shown the right EDIT.

    Raises:
        UnknownTask, InvalidParameters, PictureTooLarge, BatchTooLarge, InvalidInput, NotFound, BudgetSpent: nothing
        was queued.
    """
    if double := sorted(set(vary) & set(parameters)):
        raise InvalidInput(f"{double[0]}: it either has one value or varies.", field=f"vary.{double[0]}")
    check_count(len(input_asset_ids) * _combinations(vary))
    each = [[services.check_step(task, {**parameters, **varied})] for varied in _varied(vary)]
    assets = assets_of(project, input_asset_ids)
    jobs = [
        services.new_job(project, steps, asset, by=by, lane=lane.value, start_by=start_by, run_timeout_s=run_timeout_s)
        for asset, steps in itertools.product(assets, each)
    ]
    return queued(jobs)


def check_count(jobs: int) -> None:
    """Raises: BatchTooLarge."""
    if jobs > settings.MAX_BATCH_JOBS:
        raise BatchTooLarge(
            f"These are {jobs} jobs; a batch has up to {settings.MAX_BATCH_JOBS}.", max_jobs=settings.MAX_BATCH_JOBS
        )


def queued(jobs: Sequence[Job]) -> Batch:
    """Write one person's jobs in one project as a batch, tell of it, and wake workers. Raises: BudgetSpent."""
    first, count = jobs[0], len(jobs)
    batch = Batch.objects.create(
        id=ids.new_id(),
        workspace_id=first.workspace_id,
        project=first.project,
        person_id=first.person_id,
        task=first.task,
        recipe=first.recipe,
        jobs=count,
    )
    for job in jobs:
        job.batch = batch
    budgets.admit(first.workspace_id, first.person_id, sum(job.estimate_us for job in jobs))
    outlook.foresee(jobs)
    Job.objects.bulk_create(jobs)
    _tell(batch, "batch.submitted", first.person_id)
    for _ in range(min(count, settings.JOBS_AT_ONCE)):
        queue.enqueue("generations.run_next")
    return batch


def cancel_batch(batch_id: uuid.UUID, *, by: uuid.UUID) -> Batch:
    """End all jobs of the batch that have not ended. Idempotent. Raises: NotFound, Forbidden, NotYourJob."""
    batch = access_batch(by, batch_id, Act.EDIT)
    services.check_own(batch.person_id, batch.workspace_id, by)
    live_ones = Job.objects.filter(batch=batch, state__in=[State.QUEUED.value, State.RUNNING.value])
    for job in live_ones.select_for_update().order_by("-id"):  # the worker takes them from the other end
        services.cancel_locked(job, by=by)
    return batch


def access_batch(person_id: uuid.UUID, batch_id: uuid.UUID, act: Act) -> Batch:
    """The batch, with the open transaction bound to its workspace. Raises NotFound, Forbidden."""
    batch = Batch.objects.filter(pk=batch_id).first()
    if batch is None:
        raise NotFound("There is no such batch, or it is not yours to see.")
    access_project(person_id, batch.project_id, act)
    return batch


def batches_in(project: Project, ask: Ask) -> Page[Batch]:
    return page(Batch.objects.filter(project=project), ask, _BATCHES)


def presented(batches: Sequence[Batch]) -> list[dict[str, Any]]:
    """Each as the API shows it, by one query."""
    states: dict[uuid.UUID, Counter[str]] = {batch.id: Counter() for batch in batches}
    sums: dict[uuid.UUID, Counter[str]] = {batch.id: Counter() for batch in batches}
    found = Job.objects.filter(batch__in=batches).values("batch_id", "state")
    for row in found.annotate(jobs=Count("id"), estimate_us=Sum("estimate_us"), compute_us=Sum("compute_us")):
        states[row["batch_id"]][row["state"]] += row["jobs"]
        sums[row["batch_id"]].update({"estimate": row["estimate_us"], "compute": row["compute_us"] or 0})
    return [_present(batch, states[batch.id], sums[batch.id]) for batch in batches]


def presented_batches(batch_ids: Iterable[uuid.UUID]) -> list[dict[str, Any]]:
    """Those of the batches that the open transaction may see."""
    return presented(list(Batch.objects.filter(pk__in=set(batch_ids))))


def present(batch: Batch) -> dict[str, Any]:
    return presented([batch])[0]


def _present(batch: Batch, states: Counter[str], sums: Counter[str]) -> dict[str, Any]:
    return {
        "id": ids.show("bat", batch.id),
        "project_id": ids.show("prj", batch.project_id),
        "task": batch.task,
        "recipe": present_recipe(batch.recipe),
        "jobs": batch.jobs,
        "states": {state.value: states[state.value] for state in State},
        "ended": sum(states[state.value] for state in ENDED) == batch.jobs,
        "estimate_s": sums["estimate"] / 1e6,
        "compute_s": sums["compute"] / 1e6,
        "created_by": ids.show("per", batch.person_id),
        "created_at": times.show(batch.created_at),
    }


def _combinations(vary: Mapping[str, Sequence[Any]]) -> int:
    count = 1
    for values in vary.values():
        count *= len(values)
    return count


def _varied(vary: Mapping[str, Sequence[Any]]) -> Iterable[dict[str, Any]]:
    return (dict(zip(vary, values, strict=True)) for values in itertools.product(*vary.values()))


def _tell(batch: Batch, kind: str, by: uuid.UUID) -> None:
    shown, project = ids.show("bat", batch.id), ids.show("prj", batch.project_id)
    event_id = events.record(
        kind,
        workspace_id=batch.workspace_id,
        resource=shown,
        person_id=by,
        data={"project_id": project, "batch_id": shown, "task": batch.task, "jobs": batch.jobs},
    )
    live.publish(project, "batch", present(batch), event_id=event_id)
