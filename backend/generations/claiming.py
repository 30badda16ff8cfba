"""Hides who holds a job: the claim of the fairest one, its lease, the heartbeats that keep it, and the end of it.

The claim looks over all workspaces as the role `system`; what follows it goes on as the tenant. All times are the
database's.
"""

import threading
import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg
import structlog
from django.conf import settings
from django.db import DatabaseError, connections
from psycopg_pool import PoolTimeout

from backend.core import metrics, tenancy
from backend.generations.scheduler import Flow, Lane, Limits, Share, Shares, Waiting, order
from backend.generations.states import MAX_LOSSES, State, Step, after

log = structlog.get_logger()
POLL_S, BEAT_S = 0.2, 1.0
_CLAIM_LOCK = 0x61746C_0003  # "atl" 3: one claim at a time over all workers, for a few milliseconds

# A loose index scan: one step of the index for each person who waits in a lane, however many jobs they queued.
# A job on its last chance waits for another such to end: of jobs that lost their worker together one may have ended it,
# and the others must not be given up for that.
_HEADS = """
WITH RECURSIVE flow AS (
    (SELECT lane, workspace_id, person_id FROM generations_job WHERE state = 'queued' ORDER BY 1, 2, 3 LIMIT 1)
    UNION ALL
    SELECT next.* FROM flow CROSS JOIN LATERAL (
        SELECT lane, workspace_id, person_id FROM generations_job
        WHERE state = 'queued'
            AND (lane, workspace_id, person_id) > (flow.lane, flow.workspace_id, flow.person_id)
        ORDER BY 1, 2, 3 LIMIT 1
    ) next
)
SELECT head.id, flow.lane, flow.workspace_id, flow.person_id, head.estimate_us FROM flow CROSS JOIN LATERAL (
    SELECT id, estimate_us FROM generations_job
    WHERE state = 'queued' AND lane = flow.lane AND workspace_id = flow.workspace_id AND person_id = flow.person_id
        AND not_before <= now() AND (start_by IS NULL OR start_by > now())
        AND (losses < %(last)s
            OR NOT EXISTS (SELECT 1 FROM generations_job WHERE state = 'running' AND losses >= %(last)s))
    ORDER BY id LIMIT 1
) head
"""
_RUNNING = "SELECT DISTINCT lane, workspace_id, person_id FROM generations_job WHERE state = 'running'"
_CLOCKS = """
SELECT lane, workspace_id, person_id, clock_us, busy FROM generations_flowclock
WHERE busy OR workspace_id = ANY(%s) ORDER BY id FOR UPDATE
"""
_TAKE = """
UPDATE generations_job SET state = %s, attempt = attempt + 1, lease_until = now() + %s * interval '1 second',
    started_at = coalesce(started_at, now())
WHERE id = (SELECT id FROM generations_job WHERE id = %s AND state = %s FOR UPDATE SKIP LOCKED)
RETURNING attempt, traceparent, task, extract(epoch FROM now() - created_at)::float8
"""
_KEEP_CLOCK = """
INSERT INTO generations_flowclock (lane, workspace_id, person_id, clock_us, busy) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (lane, workspace_id, person_id) DO UPDATE SET clock_us = excluded.clock_us, busy = excluded.busy
"""
_BEAT = """
UPDATE generations_job AS job SET lease_until = now() + %s * interval '1 second',
    progress_done = held.done, progress_total = held.total
FROM unnest(%s::uuid[], %s::int[], %s::int[], %s::int[]) AS held (id, attempt, done, total)
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

    @property
    def flows(self) -> tuple[Flow, Flow]:
        return Flow(self.lane, self.workspace_id), Flow(self.lane, self.workspace_id, self.person_id)


@dataclass(slots=True)
class Lease:
    """A claim while it is held: read by the run, written by the keeper."""

    claim: Claim
    done: int = 0
    total: int = 0
    used_us: int = 0  # of compute
    wrote: str | None = None  # the SHA-256 of what this attempt wrote to S3
    lost: threading.Event = field(default_factory=threading.Event)


def claim_next(held: Collection[Flow] = ()) -> Claim | None:
    """Claim the fairest job that may start now, or None. Safe to call from any number of workers at once.

    `held`: the people whose jobs the caller has already, one for each job.
    """
    limits = Limits(settings.JOBS_AT_ONCE, settings.JOBS_AT_ONCE_BATCH, settings.JOBS_AT_ONCE_PERSON)
    if len(held) >= limits.jobs:
        return None
    with tenancy.acting(using="system"), connections["system"].cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_CLAIM_LOCK])
        cursor.execute(_HEADS, {"last": MAX_LOSSES - 1})
        waiting = [Waiting(row[0], Lane(row[1]), *row[2:]) for row in cursor.fetchall()]
        if not any(limits.admit(job, held) for job in waiting):
            return None
        cursor.execute(_RUNNING)
        running = frozenset(
            flow
            for lane, workspace_id, person_id in cursor.fetchall()
            for flow in (Flow(Lane(lane), workspace_id), Flow(Lane(lane), workspace_id, person_id))
        )
        cursor.execute(_CLOCKS, [[job.workspace_id for job in waiting]])
        before = Shares({Flow(Lane(row[0]), row[1], row[2]): Share(row[3], row[4]) for row in cursor.fetchall()})
        ordered, shares = order(waiting, before, running=running)
        for job in ordered:
            taken = limits.admit(job, held) and _take(job)
            if taken:  # not somebody who cancels it at this moment
                _keep_clocks(before, shares.charged(job.flows, job.cost_us))
                return taken
    return None


def _take(job: Waiting) -> Claim | None:
    with connections["system"].cursor() as cursor:
        cursor.execute(_TAKE, [after(State.QUEUED, Step.CLAIM), settings.JOB_LEASE_S, job.job_id, State.QUEUED])
        taken = cursor.fetchone()
    if taken is None:
        return None
    attempt, traceparent, task, waited_s = taken
    if attempt == 1:
        metrics.JOB_WAIT.labels(task, job.lane).observe(waited_s)
    return Claim(job.job_id, job.lane, job.workspace_id, job.person_id, attempt, job.cost_us, traceparent, task)


def _keep_clocks(before: Shares, now: Shares) -> None:
    changed = [(flow, share) for flow, share in now.of.items() if before.of.get(flow) != share]
    with connections["system"].cursor() as cursor:
        cursor.executemany(_KEEP_CLOCK, [(*flow, share.clock_us, share.busy) for flow, share in changed])


def settle(claim: Claim, used_us: int) -> None:
    """Correct the clocks that the claim charged by the estimate to what was used. In the tenant's transaction."""
    with connections["default"].cursor() as cursor:
        cursor.execute(
            """UPDATE generations_flowclock SET clock_us = clock_us + %s
            WHERE lane = %s AND workspace_id = %s AND (person_id IS NULL OR person_id = %s)""",
            [used_us - claim.estimate_us, claim.lane, claim.workspace_id, claim.person_id],
        )


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
        with connections["system"].cursor() as cursor:
            if beat:
                columns = zip(*((h.claim.job_id, h.claim.attempt, h.done, h.total) for h in leases), strict=True)
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
