"""Hides who holds a job: the claim of the fairest one, its lease, the heartbeats that keep it, and the end of it.

The claim looks over all workspaces as the role `system`; what follows it goes on as the tenant. All times are the
database's.
"""

import threading
import uuid
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg
import structlog
from django.conf import settings
from django.db import DatabaseError, connections
from psycopg_pool import PoolTimeout

from backend.core import metrics, statements, tenancy
from backend.generations import flows
from backend.generations.scheduler import Flow, Lane, Limits, Waiting, order
from backend.generations.states import State, Step, after

log = structlog.get_logger()
POLL_S, BEAT_S = 0.2, 1.0
_WIDTH = 2  # workspaces that are looked at; more where none of them has a job that may start

_TAKE = """
UPDATE generations_job SET state = %s, attempt = attempt + 1, lease_until = now() + %s * interval '1 second',
    started_at = coalesce(started_at, now())
WHERE id = (SELECT id FROM generations_job WHERE id = %s AND state = %s FOR UPDATE SKIP LOCKED)
RETURNING attempt, traceparent, task, extract(epoch FROM now() - created_at)::float8
"""
_BEAT = """
UPDATE generations_job AS job SET lease_until = now() + %s * interval '1 second',
    progress_done = held.done, progress_total = held.total, progress_step = held.step,
    progress_preview = held.preview
FROM unnest(%s::uuid[], %s::int[], %s::int[], %s::int[], %s::int[], %s::int[])
    AS held (id, attempt, done, total, step, preview)
WHERE job.id = held.id AND job.attempt = held.attempt AND job.state = 'running' RETURNING job.id
"""
_STILL = "SELECT id, attempt FROM generations_job WHERE id = ANY(%s) AND state = 'running'"
_DATABASE_AWAY = (DatabaseError, psycopg.Error, PoolTimeout)


@dataclass(frozen=True, slots=True)
class Claim:
    """A job that this worker runs; `attempt` is the token that its writes are fenced by."""

    job_id: uuid.UUID
    lane: Lane
    workspace_id: uuid.UUID
    person_id: uuid.UUID
    attempt: int
    estimate_us: int
    traceparent: str
    task: str
    weights: Mapping[Flow, float] = field(default_factory=dict, compare=False)  # 1.0 where not given

    @property
    def flows(self) -> tuple[Flow, Flow]:
        return Flow(self.lane, self.workspace_id), Flow(self.lane, self.workspace_id, self.person_id)


@dataclass(slots=True)
class Lease:
    """A claim while it is held: read by the run, written by the keeper."""

    claim: Claim
    done: int = 0
    total: int = 0
    step: int = 0  # from 1
    preview: int = 0
    used_us: dict[int, int] = field(default_factory=dict)  # of compute, by each step
    wrote: str | None = None  # the SHA-256 of what this attempt wrote to S3
    lost: threading.Event = field(default_factory=threading.Event)


def claim_next(held: Collection[Flow] = ()) -> Claim | None:
    """Claim the fairest job that may start now, or None. Safe to call from any number of workers at once.

    `held`: the people whose jobs the caller has already, one for each job.
    """
    limits = Limits(settings.JOBS_AT_ONCE, settings.JOBS_AT_ONCE_BATCH, settings.JOBS_AT_ONCE_PERSON)
    lanes, full = limits.open_lanes(held), limits.full(held)
    if not lanes:
        return None
    with tenancy.acting(using="system"):
        if not flows.lock():
            return None
        flows.fold()
        width = len(full) + _WIDTH
        while True:
            found = flows.find(lanes, full=full, width=width)
            passed_over = flows.rest(found.idle)
            for job in order(found.jobs, found.shares):
                if taken := _take(job, found.shares.weights):  # not somebody who cancels it at this moment
                    flows.serve(job, found.shares)
                    return taken
            if not passed_over:
                return None
            width *= 4


def _take(job: Waiting, weights: Mapping[Flow, float]) -> Claim | None:
    with flows.claiming_cursor() as cursor:
        cursor.execute(_TAKE, [after(State.QUEUED, Step.CLAIM), settings.JOB_LEASE_S, job.job_id, State.QUEUED])
        taken = cursor.fetchone()
    if taken is None:
        return None
    attempt, traceparent, task, waited_s = taken
    if attempt == 1:
        metrics.JOB_WAIT.labels(task, job.lane).observe(waited_s)
    mine = {flow: weights[flow] for flow in job.flows}
    return Claim(job.job_id, job.lane, job.workspace_id, job.person_id, attempt, job.cost_us, traceparent, task, mine)


def settle(claim: Claim, used_us: int) -> None:
    """Correct the clocks that the claim charged by the estimate to what was used. In the tenant's transaction."""
    flows.add_cost(claim.flows[1], used_us - claim.estimate_us)


class Keeper:
    """One thread a process that beats for all jobs that run in it, and sees which were cancelled or taken over."""

    def __init__(self) -> None:
        self._leases: dict[uuid.UUID, Lease] = {}
        self._lock = threading.Lock()
        self._claiming = threading.Lock()  # one claim at a time in a process: it goes by what is held
        self._any = threading.Event()
        self._thread: threading.Thread | None = None

    def claim(self) -> Claim | None:
        """As `claim_next`, within what a process may hold. It is kept from now on; hand it to `holding`."""
        with self._claiming:
            with self._lock:
                held = [lease.claim.flows[1] for lease in self._leases.values()]
            claim = claim_next(held)
            if claim is not None:
                self._keep(Lease(claim))
        return claim

    @contextmanager
    def holding(self, claim: Claim) -> Iterator[Lease]:
        lease = self._leases.get(claim.job_id)
        if lease is None or lease.claim != claim:
            lease = Lease(claim)
            self._keep(lease)
        try:
            yield lease
        finally:
            with self._lock:
                if self._leases.get(claim.job_id) is lease:
                    del self._leases[claim.job_id]
                if not self._leases:
                    self._any.clear()

    def _keep(self, lease: Lease) -> None:
        with self._lock:
            self._leases[lease.claim.job_id] = lease
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._beat, name="leases", daemon=True)
                self._thread.start()
            self._any.set()

    def _beat(self) -> None:
        ticks = 0
        pause = threading.Event()
        while True:
            self._any.wait()
            pause.wait(POLL_S)
            ticks += 1
            with self._lock:
                leases = list(self._leases.values())
            try:
                self._look(leases, beat=ticks % round(BEAT_S / POLL_S) == 0)
            except _DATABASE_AWAY as exc:
                # The work goes on: if somebody took the job over meanwhile, the fence refuses our result.
                log.warning("lease.database_away", error=type(exc).__name__)
            finally:
                connections["system"].close()

    def _look(self, leases: list[Lease], *, beat: bool) -> None:
        if not leases:
            return
        with statements.cursor("system") as cursor:
            if beat:
                held_ones = ((h.claim.job_id, h.claim.attempt, h.done, h.total, h.step, h.preview) for h in leases)
                columns = zip(*held_ones, strict=True)
                cursor.execute(_BEAT, [settings.JOB_LEASE_S, *map(list, columns)])
                held = {row[0] for row in cursor.fetchall()}
                gone = [lease for lease in leases if lease.claim.job_id not in held]
            else:
                cursor.execute(_STILL, [[lease.claim.job_id for lease in leases]])
                attempts = dict(cursor.fetchall())
                gone = [lease for lease in leases if attempts.get(lease.claim.job_id) != lease.claim.attempt]
        for lease in gone:
            lease.lost.set()


keeper = Keeper()
