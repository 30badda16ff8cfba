"""What operators do with AI jobs: see all that wait and run, end some, and let none begin for a while.

It looks over all workspaces as the role `system`, at what a job is and never at what it is of; ending one is done as
its tenant.
"""

import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db import connections

from backend.core import tenancy
from backend.core.errors import InvalidInput, NotFound
from backend.generations import flows, services
from backend.generations.models import Job, Pause
from backend.generations.states import State

_WORK = """
SELECT id, workspace_id, person_id, task, lane, state, attempt, progress_done, progress_total, estimate_us / 1e6,
    extract(epoch FROM now() - coalesce(started_at, created_at))::float8
FROM generations_job WHERE state = ANY(%s) ORDER BY state DESC, lane DESC, id LIMIT %s
"""
_LOOK_S = 0.2


@dataclass(frozen=True, slots=True)
class Work:
    """A job that waits or runs. `for_s`: since it was first begun, or asked for."""

    job_id: uuid.UUID
    workspace_id: uuid.UUID
    person_id: uuid.UUID
    task: str
    lane: str
    state: str
    attempt: int
    done: int
    total: int
    estimate_s: float
    for_s: float


def work(*, limit: int) -> list[Work]:
    """Those that run first, then those that wait, the interactive lane before the other, the oldest first."""
    with tenancy.acting(using="system"), connections["system"].cursor() as cursor:
        cursor.execute(_WORK, [[State.RUNNING.value, State.QUEUED.value], limit])
        return [Work(*row) for row in cursor.fetchall()]


def kill(job_id: uuid.UUID) -> None:
    """End a job whosever it is; its worker lets it go within half a second. Raises: NotFound, StepNotPossible."""
    with tenancy.acting(using="system"):
        row = Job.objects.using("system").filter(pk=job_id).values_list("workspace_id", "person_id").first()
    if row is None:
        raise NotFound("There is no such job.")
    workspace_id, person_id = row
    with tenancy.acting(workspace_id=workspace_id):
        services.cancel_locked(Job.objects.select_for_update().get(pk=job_id), by=person_id)


def weigh(workspace_id: uuid.UUID, weight: float) -> None:
    """From the next claim on: of the compute that all who wait share it gets so many parts. Raises: InvalidInput."""
    if not 0.01 <= weight <= 100.0:
        raise InvalidInput("A weight is between 0.01 and 100; a workspace weighs 1 where nothing is said.")
    with tenancy.acting(using="system"):
        flows.lock()
        flows.weigh(workspace_id, weight)


def weights() -> dict[uuid.UUID, float]:
    with tenancy.acting(using="system"):
        return flows.weights()


def pause() -> None:
    """From now on no job begins, on no worker; those that run go on, and new ones are taken in and wait."""
    with tenancy.acting(using="system"):
        flows.lock()  # no claim is under way that has not seen it
        Pause.objects.using("system").get_or_create(id=1)


def resume() -> None:
    with tenancy.acting(using="system"):
        Pause.objects.using("system").all().delete()


def paused_since() -> datetime | None:
    with tenancy.acting(using="system"):
        return Pause.objects.using("system").values_list("since", flat=True).first()


def drain(*, timeout_s: float) -> Iterator[int]:
    """Pause, and tell again and again how many still run, until none does. Raises: TimeoutError."""
    pause()
    deadline = time.monotonic() + timeout_s
    while True:
        with tenancy.acting(using="system"):
            left = Job.objects.using("system").filter(state=State.RUNNING).count()
        yield left
        if not left:
            return
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(_LOOK_S)
