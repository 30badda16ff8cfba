"""Records facts in the outbox, in the transaction of what made them true; the relay moves them to the stream."""

import uuid

import structlog
from django.db import connection

from backend.core import ids, trace
from backend.core.models import Event

log = structlog.get_logger()

_NEXT = """
    INSERT INTO core_sequence (workspace_id, resource, value) VALUES (%s, %s, 1)
    ON CONFLICT (workspace_id, resource) DO UPDATE SET value = core_sequence.value + 1 RETURNING value
"""


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
    with connection.cursor() as cursor:
        cursor.execute(_NEXT, [workspace_id, resource])
        sequence = cursor.fetchone()[0]
        event = Event(
            id=ids.new_id(),
            workspace_id=workspace_id,
            resource=resource,
            sequence=sequence,
            kind=kind,
            person_id=person_id,
            data=data or {},
            traceparent=trace.current(),
        )
        event.save(force_insert=True)
        cursor.execute("NOTIFY outbox")
    log.info("event.recorded", kind=kind, resource=resource, sequence=sequence)
    return event.id
