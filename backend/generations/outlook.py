"""Hides where a forecast takes what it knows from: the queue as it was a second ago, and the jobs that ended last.

It looks over all workspaces as the role `system`, at sums alone. A forecast is a kindness: where it can't be made the
job is queued without one.
"""

import math
import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import psycopg
import structlog
from django.conf import settings
from django.db import DatabaseError, connections
from psycopg_pool import PoolTimeout

from backend.core import statements, tenancy
from backend.generations import flows
from backend.generations.chains import RECIPE
from backend.generations.forecast import (
    Backlog,
    Ended,
    Speed,
    done_at_once,
    learned,
    looked_back,
    residual,
    unevenness,
)
from backend.generations.models import Job
from backend.generations.scheduler import Flow, Lane
from inference.registry import TASKS

log = structlog.get_logger()
BACKLOG_S, SPEED_S = 1.0, 5.0  # how old what is known may be
_LATE_S = 1.0  # so much older it may be where it is being renewed
_PATIENCE_S = 1.0  # to wait for somebody else who renews it; and until a database that was away is asked again
_RARE = 100  # times as long as a reading computed until the next: beside a long queue it must not hold up others
_LAST = 80  # jobs that are learned from: enough for a range, and few enough to notice that the load has changed
_SIZES_S = 900.0  # how large jobs are is seen by those that ended since
_LAST_ENDS = 400
_DRAIN_EVERY_S = 0.1
_SIDE_BY_SIDE = 0.75  # how fast tiles are that share cores and memory, of one alone: until it is known
_BACKLOG = """
SELECT lane, workspace_id, array_agg(person_id), array_agg(us::float8 / 1e6) FROM (
    SELECT lane, workspace_id, person_id, sum(waiting.us) FROM (
        SELECT lane, workspace_id, person_id, queued_us FROM generations_flowclock
        WHERE person_id IS NOT NULL AND ready_at IS NOT NULL
        UNION ALL SELECT lane, workspace_id, person_id, queued_us FROM generations_flowchange
        UNION ALL SELECT lane, workspace_id, person_id,
            estimate_us - estimate_us * progress_done / greatest(progress_total, 1)
        FROM generations_job WHERE state = 'running'
    ) AS waiting (lane, workspace_id, person_id, us) GROUP BY 1, 2, 3 HAVING sum(waiting.us) > 0
) AS people (lane, workspace_id, person_id, us) GROUP BY 1, 2
"""
_ENDED = """
SELECT estimate_us / 1e6, ahead_us / 1e6, extract(epoch FROM finished_at - started_at)::float8,
    extract(epoch FROM finished_at - created_at)::float8, coalesce((expected ->> 'ends')::float8, 0.0),
    extract(epoch FROM finished_at - now())::float8
FROM generations_job
WHERE state = 'succeeded' AND expected IS NOT NULL AND lane = %s AND task = %s ORDER BY finished_at DESC LIMIT %s
"""
# What the person's jobs before it take, and how long it has waited.
_BEFORE = """
SELECT (
        SELECT coalesce(sum(estimate_us), 0) FROM generations_job WHERE state = 'queued' AND lane = %(lane)s
            AND workspace_id = %(workspace)s AND person_id = %(person)s AND id < %(job)s
    )::float8 / 1e6 + (
        SELECT coalesce(sum(estimate_us - estimate_us * progress_done / greatest(progress_total, 1)), 0)
        FROM generations_job WHERE state = 'running' AND lane = %(lane)s
            AND workspace_id = %(workspace)s AND person_id = %(person)s
    )::float8 / 1e6,
    extract(epoch FROM now() - created_at)::float8
FROM generations_job WHERE id = %(job)s
"""
_RATIO = """
SELECT coalesce(percentile_cont(0.5) WITHIN GROUP (ORDER BY compute_us::float8 / greatest(estimate_us, 1)), 1.0)
FROM unnest(%s::text[]) AS side (lane) CROSS JOIN LATERAL (
    SELECT compute_us, estimate_us FROM generations_job
    WHERE state = 'succeeded' AND expected IS NOT NULL AND lane = side.lane AND task = %s
    ORDER BY finished_at DESC LIMIT %s
) last
"""
_ENDS = """
SELECT side.lane, extract(epoch FROM last.finished_at - now())::float8, last.estimate_us / 1e6,
    CASE kind.task WHEN %s THEN last.compute_us::float8 / greatest(last.estimate_us, 1) END
FROM unnest(%s::text[]) AS side (lane) CROSS JOIN unnest(%s::text[]) AS kind (task) CROSS JOIN LATERAL (
    SELECT finished_at, estimate_us, compute_us FROM generations_job
    WHERE state = 'succeeded' AND expected IS NOT NULL AND lane = side.lane AND task = kind.task
    ORDER BY finished_at DESC LIMIT %s
) last
"""
_AWAY = (DatabaseError, psycopg.Error, PoolTimeout)


class Learned(NamedTuple):
    """How long jobs take, by what is known when they are asked for; and by what is while they wait, when those that
    were asked for beside them are known too.
    """

    when_asked: Speed
    later: Speed


@dataclass(slots=True)
class Outlook:
    """What a process knows. It is renewed while people ask, by a thread of its own: only the first waits for it, and
    who comes after a while.
    """

    _lock: threading.Lock = field(default_factory=threading.Lock)
    _renewing: threading.Lock = field(default_factory=threading.Lock)
    _backlog: Backlog = field(default_factory=Backlog)  # as it was at that time
    _backlog_at: float = 0.0
    _backlog_until: float = 0.0
    _away_until: float = 0.0
    _added: list[tuple[Flow, float]] = field(default_factory=list)  # since the backlog was read, or is being read
    _speeds: dict[tuple[Lane, str], tuple[Learned, float]] = field(default_factory=dict)

    def foresee(self, jobs: Sequence[Job]) -> None:
        """Write into jobs of one task and person, which are about to be queued in this order, when they will end."""
        first = jobs[0]
        flow = Flow(Lane(first.lane), first.workspace_id, first.person_id)
        own_s = [job.estimate_us / 1e6 for job in jobs]
        known = self._learned(flow.lane, first.task)
        if known is None:
            return
        speed = known.when_asked
        with self._lock:
            self._drain(speed)
            ahead_s = self._backlog.ahead_s(flow, own_s)
            sooner_s = self._backlog.sooner_s(flow.lane)
            self._backlog.add(flow, sum(own_s))
            self._added.append((flow, sum(own_s)))
        for job, own, ahead in zip(jobs, own_s, ahead_s.tolist(), strict=True):
            job.ahead_us = round(1e6 * max(ahead - sooner_s, 0.0))  # of the lanes above it is learned what they do
            job.expected = {name: round(value, 3) for name, value in speed.expected(own, ahead)._asdict().items()}

    def look_again(self, job: Job) -> None:
        """Into a job that waits, when it will end, as the queue is now. In a transaction that may see it."""
        flow = Flow(Lane(job.lane), job.workspace_id, job.person_id)
        known = self._learned(flow.lane, job.task)
        if known is None:
            return
        speed = known.later
        with statements.cursor() as cursor:
            cursor.execute(
                _BEFORE,
                {"job": job.id, "lane": flow.lane, "workspace": flow.workspace_id, "person": flow.person_id},
            )
            before_s, passed_s = map(float, cursor.fetchone())
        own_s = job.estimate_us / 1e6
        with self._lock:
            self._drain(speed)
            done_s = float(self._backlog.done_s(flow, np.array([before_s + own_s]))[0])
        expected = speed.expected(own_s, done_s - own_s)._asdict()
        job.expected = {name: round(passed_s + value, 3) for name, value in expected.items()}

    def _drain(self, speed: Speed) -> None:
        """What was done since it was read counts no more, else who asks often finds ahead what has ended already."""
        passed_s = time.monotonic() - self._backlog_at
        if passed_s > _DRAIN_EVERY_S:
            self._backlog.drain(passed_s * speed.at_once)
            self._backlog_at += passed_s

    def _learned(self, lane: Lane, task: str) -> Learned | None:
        """As it is known. What is too old is renewed: aside, where it was asked for all the time, else who asks now
        waits for it. None where the database is away and nothing is known.
        """
        known = self._speeds.get((lane, task))
        late_s = time.monotonic() - min(known[1], self._backlog_until) if known else 0.0
        if known is None or late_s > _LATE_S:
            if not self._renewing.acquire(timeout=_PATIENCE_S):
                return known[0] if known else None
            try:
                return self._renewed(lane, task)
            finally:
                self._renewing.release()
        if late_s < 0:
            return known[0]
        if self._renewing.acquire(blocking=False):
            threading.Thread(target=self._renew_aside, args=(lane, task), name="outlook", daemon=True).start()
        return known[0]

    def _renew_aside(self, lane: Lane, task: str) -> None:
        try:
            self._renewed(lane, task)
        finally:
            self._renewing.release()
            connections.close_all()

    def _renewed(self, lane: Lane, task: str) -> Learned | None:
        began, (speed, until) = time.monotonic(), self._speeds.get((lane, task), (None, 0.0))
        computed = time.thread_time()
        if began < self._away_until:
            return speed
        try:
            with tenancy.acting(using="system"), connections["system"].cursor() as cursor:
                if began >= self._backlog_until:
                    self._read_backlog(cursor)
                    self._backlog_until = began + _pause_s(BACKLOG_S, since=computed)
                if speed is None or began >= until:
                    learning, computed = time.monotonic(), time.thread_time()
                    speed = self._learn(cursor, lane, task)
                    self._speeds[lane, task] = speed, learning + _pause_s(SPEED_S, since=computed)
        except _AWAY as exc:
            self._away_until = time.monotonic() + _PATIENCE_S
            log.warning("job.not_foreseen", error=type(exc).__name__)
        return speed

    def _read_backlog(self, cursor: Any) -> None:
        with self._lock:
            self._added = []
        began = time.monotonic()
        backlog = Backlog(_waits_s(cursor), weights=flows.weights())
        with self._lock:
            for flow, own_s in self._added:
                backlog.add(flow, own_s)
            self._backlog, self._backlog_at = backlog, began

    def _learn(self, cursor: Any, lane: Lane, task: str) -> Learned:
        lanes = [each.value for each in Lane]
        cursor.execute(_ENDED, [lane, task, _LAST])
        rows = [tuple(map(float, row)) for row in cursor.fetchall()]
        cursor.execute(_RATIO, [lanes, task, _LAST])
        ratio = float(cursor.fetchone()[0])
        cursor.execute(_ENDS, [task, lanes, [*TASKS, RECIPE], _LAST_ENDS])
        found = cursor.fetchall()
        ends = sorted(((float(row[1]), float(row[2]), Lane(row[0])) for row in found), reverse=True)
        drift = unevenness([(float(row[1]), float(row[3])) for row in found if row[3] is not None])
        least = _SIDE_BY_SIDE * max(1.0, settings.TRITON_IN_FLIGHT - 1) / ratio
        at_once = done_at_once([(at_s, own_s) for at_s, own_s, _ in ends[: 2 * _LAST]], least=least)
        # Of each task as far back.
        mine = [(at_s, own_s) for at_s, own_s, side in ends if side == lane][:_LAST_ENDS]
        above = [(at_s, own_s) for at_s, own_s, side in ends if side.rank < lane.rank][:_LAST_ENDS]
        since = above[-1][0] if len(above) == _LAST_ENDS else -math.inf
        ended = [Ended(*row) for row in rows]
        lump = residual([own_s for at_s, own_s in mine if at_s > -_SIZES_S])
        when_asked, later = (
            learned(each, ratio=ratio, at_once=at_once, above=above, since=since, drift=drift, lump=lump)
            for each in (ended, looked_back(ended, mine))
        )
        return Learned(when_asked, later)


def _waits_s(cursor: Any) -> dict[Flow, dict[uuid.UUID, float]]:
    """Of each workspace in a lane, its people's. By rows of workspaces: of people there are many more."""
    cursor.execute(_BACKLOG)
    return {
        Flow(Lane(lane), workspace_id): dict(zip(people, waits_s, strict=True))
        for lane, workspace_id, people, waits_s in cursor.fetchall()
    }


def _pause_s(usual_s: float, *, since: float) -> float:
    """By the thread's own time: where all cores are busy a reading takes long, and what it says is needed most."""
    return max(usual_s, _RARE * (time.thread_time() - since))


outlook = Outlook()
