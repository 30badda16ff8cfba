"""Records facts in the outbox, in the transaction of what made them true; the relay moves them to the stream."""

import uuid
from datetime import datetime
from typing import Any

import structlog
from django.db import connection, transaction
from psycopg.types.json import Jsonb

from backend.core import ids, statements, trace
from backend.core.models import Event

log = structlog.get_logger()

_RECORD = """
    WITH next AS (
        INSERT INTO core_sequence (workspace_id, resource, value) VALUES (%(workspace_id)s, %(resource)s, 1)
        ON CONFLICT (workspace_id, resource) DO UPDATE SET value = core_sequence.value + 1 RETURNING value
    ), event AS (
        INSERT INTO core_event (id, workspace_id, resource, sequence, kind, person_id, data, traceparent)
        SELECT %(id)s, %(workspace_id)s, %(resource)s, value, %(kind)s, %(person_id)s, %(data)s, %(traceparent)s
        FROM next RETURNING sequence
    )
    SELECT sequence, pg_notify('outbox', '') FROM event
"""


def database_now() -> datetime:
    """The database's clock, by which events are dated. The same throughout a transaction."""
    with statements.cursor() as cursor:
        cursor.execute("SELECT now()")
        now: datetime = cursor.fetchone()[0]
    return now


def of_project(workspace_id: uuid.UUID, project: str, *, since: datetime, limit: int) -> list[tuple[uuid.UUID, str]]:
    """The ids and resources of what happened in a project (a typed id), oldest first, without what people just used.

    An event bears the time at which its transaction began, so look back further than a transaction takes.
    """
    found = Event.objects.filter(workspace_id=workspace_id, created_at__gte=since, data__project_id=project)
    found = found.exclude(kind__startswith="act.").order_by("created_at", "id")
    return list(found.values_list("id", "resource")[:limit])


def record(
    kind: str,
    *,
    workspace_id: uuid.UUID,
    resource: str,
    person_id: uuid.UUID | None = None,
    data: dict[str, object] | None = None,
) -> uuid.UUID:
    """Write one event for `resource` (a typed id). Needs an open transaction in the workspace.

    Its sequence number is taken under the resource's row lock, which is held until the commit: so numbers of one
    resource commit in order, without a gap.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("an event is recorded in the transaction of what made it true")
    event_id = ids.new_id()
    row: dict[str, Any] = {
        "id": event_id,
        "workspace_id": workspace_id,
        "resource": resource,
        "kind": kind,
        "person_id": person_id,
        "data": Jsonb(data or {}),
        "traceparent": trace.current(),
    }
    with statements.cursor() as cursor:
        cursor.execute(_RECORD, row)
        sequence = cursor.fetchone()[0]
    told = log.bind(kind=kind, resource=resource, sequence=sequence)
    transaction.on_commit(lambda: told.info("event.recorded"))  # what is rolled back has not happened
    return event_id
