"""Finds again what a broker forgot, what a dead worker held and what an ended job left behind. Cheap, idempotent."""

import uuid
from datetime import timedelta

import structlog
from django.db.models import Q
from django.db.models.functions import Now

from backend.core import ids, queue, tenancy
from backend.generations import services
from backend.generations.models import Job
from backend.generations.running import drop_staged
from backend.generations.states import ENDED, State

log = structlog.get_logger()
MAX_WAKES = 8  # enough for the workers of one process; each wake claims whatever is next
STAGED_FOR = timedelta(minutes=1)  # longer than a write to S3 that is still under way in a cancelled run can take
_LOST = {"code": "worker_lost", "detail": "The workers that ran this job ended again and again."}


def sweep() -> None:
    """Queue lost jobs again, end those that waited too long, wake workers for others, delete what ended ones left."""
    for job_id, workspace_id in _found(Q(state=State.RUNNING, lease_until__lt=Now())):
        _take_back(job_id, workspace_id)
    for job_id, workspace_id in _found(Q(state=State.QUEUED, start_by__lte=Now())):
        _expire(job_id, workspace_id)
    _wake_workers()
    ended = Q(state__in=[state.value for state in ENDED], finished_at__lt=Now() - STAGED_FOR)
    for job_id, workspace_id in _found(ended & ~Q(staged=[])):
        _drop(job_id, workspace_id)


def _found(condition: Q) -> list[tuple[uuid.UUID, uuid.UUID]]:
    with tenancy.acting(using="system"):
        rows = Job.objects.using("system").filter(condition).values_list("id", "workspace_id")
        return list(rows[:100])


def _take_back(job_id: uuid.UUID, workspace_id: uuid.UUID) -> None:
    with tenancy.acting(workspace_id=workspace_id):
        job = Job.objects.select_for_update(skip_locked=True).filter(pk=job_id, lease_until__lt=Now()).first()
        if job is None or job.state != State.RUNNING:
            return  # its worker came back, or it is ending at this moment
        log.warning("job.lease_ran_out", job_id=ids.show("job", job_id), attempt=job.attempt)
        services.put_back(job, _LOST, lost=True)


def _expire(job_id: uuid.UUID, workspace_id: uuid.UUID) -> None:
    with tenancy.acting(workspace_id=workspace_id):
        job = Job.objects.select_for_update(skip_locked=True).filter(pk=job_id, state=State.QUEUED).first()
        if job is not None:
            services.expire(job)


def _wake_workers() -> None:
    with tenancy.acting(using="system"):
        ready = Job.objects.using("system").filter(state=State.QUEUED, not_before__lte=Now())
        count = len(ready.order_by("lane", "workspace", "person", "id").values_list("id")[:MAX_WAKES])
    for _ in range(count):
        queue.send_now("generations.run_next", expires_s=2.0)


def _drop(job_id: uuid.UUID, workspace_id: uuid.UUID) -> None:
    with tenancy.acting(workspace_id=workspace_id):
        job = Job.objects.filter(pk=job_id).first()
    if job is not None:
        drop_staged(job)
