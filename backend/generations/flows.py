"""Hides where the flows' clocks are kept, and how the few of them that may be next are found among very many.

All is called in the claim's transaction, as the role `system`, one at a time over all workers. What others have to say
of a flow they append to `FlowChange`, and the next claim takes it in.
"""

import uuid
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import psycopg
from django.db import connections

from backend.core import statements
from backend.generations.scheduler import Flow, Lane, Share, Shares, Waiting
from backend.generations.states import MAX_LOSSES

_LOCK = 0x61746C_0003  # "atl" 3
_CHANGES = """
WITH gone AS (DELETE FROM generations_flowchange RETURNING lane, workspace_id, person_id, ready_at, cost_us, queued_us)
SELECT lane, workspace_id, person_id, min(ready_at), sum(cost_us)::bigint, sum(queued_us)::bigint FROM gone
GROUP BY 1, 2, 3
"""
_LINEAGE = """
SELECT lane, workspace_id, person_id, clock_us, floor_us, ready_at, weight FROM generations_flowclock
WHERE (lane = ANY(%(lanes)s) AND workspace_id IS NULL AND person_id IS NULL)
    OR (lane = ANY(%(lanes)s) AND workspace_id = ANY(%(workspaces)s) AND person_id IS NULL)
    OR (lane = ANY(%(lanes)s) AND workspace_id = ANY(%(workspaces)s) AND person_id = ANY(%(people)s))
"""
_KEEP = """
INSERT INTO generations_flowclock AS flow (lane, workspace_id, person_id, clock_us, floor_us, ready_at, queued_us)
SELECT * FROM unnest(%s::text[], %s::uuid[], %s::uuid[], %s::bigint[], %s::bigint[], %s::timestamptz[], %s::bigint[])
ON CONFLICT (lane, workspace_id, person_id) DO UPDATE SET clock_us = excluded.clock_us,
    floor_us = greatest(flow.floor_us, excluded.floor_us), ready_at = least(flow.ready_at, excluded.ready_at),
    queued_us = flow.queued_us + excluded.queued_us
"""
# The workspaces whose clocks are lowest, of each the people whose are, of each the oldest job that may start.
# A job on its last chance waits for another such to end: of jobs that lost their worker together one may have ended it,
# and the others must not be given up for that.
_CANDIDATES = """
SELECT side.lane, home.workspace_id, home.clock_us, home.floor_us, home.weight, own.person_id, own.clock_us, own.weight,
    head.id, head.estimate_us
FROM unnest(%(lanes)s::text[]) AS side (lane)
CROSS JOIN LATERAL (
    SELECT workspace_id, clock_us, floor_us, weight FROM generations_flowclock
    WHERE lane = side.lane AND workspace_id IS NOT NULL AND person_id IS NULL AND ready_at <= statement_timestamp()
    ORDER BY clock_us, ready_at LIMIT %(width)s
) home
LEFT JOIN LATERAL (
    SELECT person_id, clock_us, weight FROM generations_flowclock AS flow
    WHERE lane = side.lane AND workspace_id = home.workspace_id AND person_id IS NOT NULL
        AND ready_at <= statement_timestamp() AND NOT EXISTS (
            SELECT FROM unnest(%(full_lanes)s::text[], %(full_workspaces)s::uuid[], %(full_people)s::uuid[])
                AS busy (lane, workspace_id, person_id)
            WHERE (busy.lane, busy.workspace_id, busy.person_id) = (flow.lane, flow.workspace_id, flow.person_id))
    ORDER BY clock_us, ready_at LIMIT 2
) own ON true
LEFT JOIN LATERAL (
    SELECT id, estimate_us FROM generations_job
    WHERE state = 'queued' AND lane = side.lane AND workspace_id = home.workspace_id AND person_id = own.person_id
        AND not_before <= statement_timestamp() AND (start_by IS NULL OR start_by > statement_timestamp())
        AND (losses < %(last)s
            OR NOT EXISTS (SELECT FROM generations_job WHERE state = 'running' AND losses >= %(last)s))
    ORDER BY id LIMIT 1
) head ON true
"""
# Until the first of its jobs may start; one that waits for another's end is looked at again in a second.
_REST_PEOPLE = """
UPDATE generations_flowclock AS flow
SET ready_at = soonest.at, queued_us = CASE WHEN soonest.at IS NULL THEN 0 ELSE queued_us END
FROM unnest(%s::text[], %s::uuid[], %s::uuid[]) AS given (lane, workspace_id, person_id) CROSS JOIN LATERAL (
    SELECT min(greatest(not_before, statement_timestamp() + interval '1 second')) AS at FROM generations_job AS job
    WHERE state = 'queued' AND job.lane = given.lane AND job.workspace_id = given.workspace_id
        AND job.person_id = given.person_id
) soonest
WHERE flow.lane = given.lane AND flow.workspace_id = given.workspace_id AND flow.person_id = given.person_id
"""
_REST_WORKSPACES = """
UPDATE generations_flowclock AS flow SET ready_at = soonest.at
FROM unnest(%s::text[], %s::uuid[]) AS given (lane, workspace_id) CROSS JOIN LATERAL (
    SELECT min(ready_at) AS at FROM generations_flowclock AS own
    WHERE own.lane = given.lane AND own.workspace_id = given.workspace_id AND own.person_id IS NOT NULL
) soonest
WHERE flow.lane = given.lane AND flow.workspace_id = given.workspace_id AND flow.person_id IS NULL
    AND flow.ready_at IS DISTINCT FROM soonest.at
"""

_WEIGH = """
INSERT INTO generations_flowclock (lane, workspace_id, clock_us, floor_us, queued_us, weight)
SELECT lane, %s, 0, 0, 0, %s FROM unnest(%s::text[]) AS side (lane)
ON CONFLICT (lane, workspace_id, person_id) DO UPDATE SET weight = excluded.weight
"""
_WEIGHTS = """
SELECT DISTINCT workspace_id, weight FROM generations_flowclock
WHERE workspace_id IS NOT NULL AND person_id IS NULL AND weight <> 1.0
"""


class Found(NamedTuple):
    """Jobs that may be next, with the shares of their flows; and flows that had none, though they seemed ready."""

    jobs: list[Waiting]
    shares: Shares
    idle: list[Flow]


def lock() -> bool:
    """One claim at a time over all workers, for a few milliseconds. False where operators let no job begin.

    Planned once a connection, not once a claim: that takes longer than to run it.
    """
    with claiming_cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(%s), set_config('plan_cache_mode', 'force_generic_plan', true), "
            "NOT EXISTS (SELECT FROM generations_pause)",
            [_LOCK],
        )
        *_, may_begin = cursor.fetchone() or (False,)
        return bool(may_begin)


def claiming_cursor() -> "psycopg.Cursor[Any]":
    """In the claim's transaction. As `core.statements`, without what Django adds to each: a claim has eight of them."""
    return psycopg.Cursor(connections["system"].connection)


def fold() -> None:
    """Take in what happened to the flows since the last claim."""
    with claiming_cursor() as cursor:
        cursor.execute(_CHANGES)
        changes = {Flow(Lane(row[0]), *row[1:3]): row[3:] for row in cursor.fetchall()}
        if not changes:
            return
        lanes, workspaces, people = _columns(changes)
        cursor.execute(_LINEAGE, {"lanes": lanes, "workspaces": workspaces, "people": people})
        rows = {Flow(Lane(row[0]), *row[1:3]): row[3:] for row in cursor.fetchall()}
    shares = Shares(
        {flow: Share(clock_us, floor_us) for flow, (clock_us, floor_us, *_) in rows.items()},
        {flow: weight for flow, (*_, weight) in rows.items()},
    )
    waiting = {flow for flow, (_, _, ready_at, _) in rows.items() if ready_at}
    ready: dict[Flow, datetime | None] = {}
    for person, (ready_at, cost_us, _) in changes.items():
        flows = (person.parent, person)
        shares = shares.charged(flows, cost_us)
        if ready_at:
            shares = shares.joined(flow for flow in flows if flow not in waiting)
        for flow in flows:
            ready[flow] = min((at for at in (ready_at, ready.get(flow)) if at), default=None)
    _keep(shares, ready, queued_us={person: queued_us for person, (_, _, queued_us) in changes.items()})


def find(lanes: Collection[Lane], *, full: Collection[Flow], width: int) -> Found:
    """The first of those that wait in `lanes`, but nobody of `full`: of `width` workspaces, at the most."""
    full_lanes, full_workspaces, full_people = _columns(full)
    with claiming_cursor() as cursor:
        cursor.execute(
            _CANDIDATES,
            {
                "lanes": [lane.value for lane in lanes],
                "width": width,
                "full_lanes": full_lanes,
                "full_workspaces": full_workspaces,
                "full_people": full_people,
                "last": MAX_LOSSES - 1,
            },
        )
        rows = cursor.fetchall()
    found = Found([], Shares(), [])
    of, weights = dict[Flow, Share](), dict[Flow, float]()
    for name, workspace_id, home_us, floor_us, home_weight, person_id, own_us, own_weight, job_id, estimate_us in rows:
        lane = Lane(name)
        workspace, flow = Flow(lane, workspace_id), Flow(lane, workspace_id, person_id)
        of[workspace], weights[workspace] = Share(home_us, floor_us), home_weight
        if job_id is None:
            found.idle.append(flow)
        else:
            of[flow], weights[flow] = Share(own_us), own_weight
            found.jobs.append(Waiting(job_id, lane, workspace_id, person_id, estimate_us))
    return found._replace(shares=Shares(of, weights))


def serve(job: Waiting, shares: Shares) -> None:
    """The job is taken, and its estimate charged."""
    served = shares.served(job.flows, job.cost_us)
    _keep(served, dict.fromkeys((job.flows[0].parent, *job.flows)), queued_us={job.flows[1]: -job.cost_us})


def rest(idle: Collection[Flow]) -> bool:
    """Pass over flows until something of theirs may start. False: that changes nothing."""
    if not idle:
        return False
    people = [flow for flow in idle if flow.person_id]
    lanes, workspaces, _ = _columns(idle)
    with claiming_cursor() as cursor:
        cursor.execute(_REST_PEOPLE, list(_columns(people)))
        changed = cursor.rowcount
        cursor.execute(_REST_WORKSPACES, [lanes, workspaces])
        return changed + cursor.rowcount > 0


def add_cost(flow: Flow, cost_us: int) -> None:
    """Tell the next claim of a correction. In the tenant's transaction."""
    with statements.cursor() as cursor:
        cursor.execute(
            "INSERT INTO generations_flowchange (lane, workspace_id, person_id, cost_us) VALUES (%s, %s, %s, %s)",
            [*flow, cost_us],
        )


def weigh(workspace_id: uuid.UUID, weight: float) -> None:
    """Of a workspace among all, in both lanes, from now on: what happened until now still goes by the old weight."""
    fold()
    with claiming_cursor() as cursor:
        cursor.execute(_WEIGH, [workspace_id, weight, [lane.value for lane in Lane]])


def weights() -> dict[uuid.UUID, float]:
    """Of the workspaces that weigh another than 1."""
    with claiming_cursor() as cursor:
        cursor.execute(_WEIGHTS)
        return dict(cursor.fetchall())


def _keep(shares: Shares, ready: Mapping[Flow, datetime | None], *, queued_us: Mapping[Flow, int]) -> None:
    """`queued_us`: by how much more waits in it now."""
    kept = [
        (shares.of[flow].clock_us, shares.of[flow].floor_us, ready_at, queued_us.get(flow, 0))
        for flow, ready_at in ready.items()
    ]
    with claiming_cursor() as cursor:
        cursor.execute(_KEEP, [*_columns(ready), *map(list, zip(*kept, strict=True))])


def _columns(flows: Iterable[Flow]) -> tuple[list[Lane], list[uuid.UUID | None], list[uuid.UUID | None]]:
    flows = list(flows)
    return [f.lane for f in flows], [f.workspace_id for f in flows], [f.person_id for f in flows]
