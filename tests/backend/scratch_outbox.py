"""An outbox of a test's own, in the real PostgreSQL and Valkey, beside the one that the running relay empties."""

import contextlib
import json
import secrets
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import psycopg
import redis
from psycopg.types.json import Jsonb

from backend.core import ids
from backend.core.relay import STREAM

TABLES = ("core_event", "core_sequence", "recommendations_part", "recommendations_position", "recommendations_seen")
Connection = psycopg.Connection[tuple[Any, ...]]
# As backend.core.events takes the number, but on a connection of the test's choice.
_NEXT = """
    INSERT INTO core_sequence (workspace_id, resource, value) VALUES (%s, %s, 1)
    ON CONFLICT (workspace_id, resource) DO UPDATE SET value = core_sequence.value + 1 RETURNING value
"""
_RECORD = """
    INSERT INTO core_event (id, workspace_id, resource, sequence, kind, person_id, data, traceparent)
    VALUES (%s, %s, %s, %s, %s, %s, %s, '')
"""


class ScratchOutbox:
    """A schema with copies of the tables, and a Valkey database that nobody else uses."""

    def __init__(self, *, owner_url: str, system_url: str, valkey_url: str) -> None:
        self.schema = f"scratch_{secrets.token_hex(6)}"
        self.url = psycopg.conninfo.make_conninfo(system_url, options=f"-c search_path={self.schema},public")
        address = (
            urlsplit(valkey_url)._replace(path="/9").geturl()
        )  # the stack is in database 0, and this one is flushed
        self.valkey = redis.Redis.from_url(address, socket_timeout=3, socket_connect_timeout=1)
        self.valkey.flushdb()
        self.owner = psycopg.connect(owner_url, autocommit=True, options=f"-c search_path={self.schema},public")
        self.owner.execute(f"CREATE SCHEMA {self.schema}".encode())
        for table in TABLES:
            self.owner.execute(f"CREATE TABLE {self.schema}.{table} (LIKE public.{table} INCLUDING ALL)".encode())
        self.owner.execute(f"GRANT USAGE ON SCHEMA {self.schema} TO atelier_system".encode())
        self.owner.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA {self.schema} TO atelier_system".encode())

    def drop(self) -> None:
        self.owner.execute(f"DROP SCHEMA {self.schema} CASCADE".encode())
        self.owner.close()
        self.valkey.flushdb()
        self.valkey.close()

    def connect(self) -> Connection:
        return psycopg.connect(self.url, autocommit=True)

    def record(
        self,
        connection: Connection,
        *,
        workspace: uuid.UUID,
        resource: str,
        kind: str = "test.happened",
        person: uuid.UUID | None = None,
        data: dict[str, Any] | None = None,
    ) -> uuid.UUID:
        """One event in the transaction that `connection` has open, or in one of its own; wakes no relay."""
        with connection.transaction():
            row = connection.execute(_NEXT, [workspace, resource]).fetchone()
            event = ids.new_id()
            values = [event, workspace, resource, (row or [0])[0], kind, person, Jsonb(data or {})]
            connection.execute(_RECORD, values)
        return event

    def streamed(self) -> list[dict[str, Any]]:
        """All events that the stream holds, oldest first."""
        return [json.loads(fields[b"event"]) for _, fields in self.entries()]

    def entries(self) -> list[tuple[bytes, dict[Any, Any]]]:
        """The stream's entries with their ids, oldest first."""
        found: Any = self.valkey.xrange(STREAM)
        return list(found)


@contextlib.contextmanager
def scratch_outbox() -> Iterator[ScratchOutbox]:
    from django.conf import settings  # the stack has started by now

    outbox = ScratchOutbox(
        owner_url=settings.DATABASE_OWNER_URL, system_url=settings.DATABASE_SYSTEM_URL, valkey_url=settings.VALKEY_URL
    )
    try:
        yield outbox
    finally:
        outbox.drop()
