"""Hides where the parts of memory lie: in Valkey for reading, in PostgreSQL for keeps."""

import json
import uuid
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import psycopg
import redis
import structlog
from psycopg.types.json import Jsonb

from backend.core.leader import Connection
from backend.recommendations.memory import Part, Personal, Placed, Shared

log = structlog.get_logger()

PART_TTL_S = 7 * 86400  # who asks later reads PostgreSQL
PARTS_KEPT = 4096  # in the learner's memory, about 20 KB each at most
P = TypeVar("P", Shared, Personal, Placed)

_READ = "SELECT data FROM recommendations_part WHERE workspace_id = %s AND kind = %s AND subject = %s"
_SAVE = """
    INSERT INTO recommendations_part (workspace_id, kind, subject, data) VALUES (%s, %s, %s, %s)
    ON CONFLICT (workspace_id, kind, subject) DO UPDATE SET data = excluded.data, saved_at = now()
"""


@dataclass(frozen=True, slots=True)
class Name:
    """Which part: every name begins with its workspace, so no workspace can reach another's."""

    workspace: str
    kind: str
    subject: str

    @property
    def key(self) -> str:
        return f"suggest:{self.workspace}:{self.kind}:{self.subject}"


def decode(kind: type[P], stored: Mapping[str, Any] | None) -> P:
    """The part as stored; a blank one where there is none, or none that this version can read."""
    if stored is None:
        return kind()
    try:
        return kind.load(stored)
    except (KeyError, TypeError, ValueError) as exc:
        log.warning("recommendations.part_unreadable", kind=kind.kind, error=type(exc).__name__)
        return kind()


class Shelf:
    """The parts that the learner works on: fetched when first needed, marked when changed, written in two steps."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._parts: OrderedDict[Name, Part] = OrderedDict()
        self._unsaved: set[Name] = set()
        self._unshown: set[Name] = set()

    def take(self, kind: type[P], workspace: str, subject: str) -> P:
        """The part, to be changed by the caller."""
        name = Name(workspace, kind.kind, subject)
        if name not in self._parts:
            row = self._connection.execute(_READ, [workspace, kind.kind, subject]).fetchone()
            self._parts[name] = decode(kind, row[0] if row else None)
        self._parts.move_to_end(name)
        self._unsaved.add(name)
        self._unshown.add(name)
        return cast(P, self._parts[name])  # the name holds the kind

    def show(self, valkey: redis.Redis) -> None:
        """Write what changed since the last time where requests read it."""
        if not self._unshown:
            return
        pipeline = valkey.pipeline(transaction=False)
        for name in self._unshown:
            pipeline.set(name.key, json.dumps(self._parts[name].dump()), ex=PART_TTL_S)
        pipeline.execute()
        self._unshown.clear()

    def show_all_again(self) -> None:
        """Valkey may have lost what it was told: have `show` write every part at hand."""
        self._unshown.update(self._parts)

    def save(self) -> None:
        """Write what changed to PostgreSQL, in the caller's transaction. A workspace that is gone is let go."""
        self._connection.execute("SET CONSTRAINTS ALL IMMEDIATE")  # else the workspace is missed at the commit only
        for name in list(self._unsaved):
            values = [name.workspace, name.kind, name.subject, Jsonb(self._parts[name].dump())]
            try:
                with self._connection.transaction():
                    self._connection.execute(_SAVE, values)
            except psycopg.errors.ForeignKeyViolation:
                log.info("recommendations.workspace_gone", workspace_id=name.workspace)

    def saved(self) -> None:
        """The transaction of `save` has committed."""
        self._unsaved.clear()
        while len(self._parts) > PARTS_KEPT:
            name, _ = self._parts.popitem(last=False)
            self._unshown.discard(name)


def read_shown(valkey: redis.Redis, names: Sequence[Name]) -> dict[Name, dict[str, Any]]:
    """Those of the parts that Valkey has. Raises redis.RedisError."""
    found: Iterable[bytes | None] = valkey.mget([name.key for name in names])  # type: ignore[assignment]  # sync client
    return {name: json.loads(stored) for name, stored in zip(names, found, strict=True) if stored is not None}


def subjects(workspace: uuid.UUID, person: uuid.UUID, project: uuid.UUID) -> tuple[Name, Name, Name]:
    """The names of the shared, the personal and the placed part that concern a person in a project."""
    return (
        Name(str(workspace), Shared.kind, str(workspace)),
        Name(str(workspace), Personal.kind, str(person)),
        Name(str(workspace), Placed.kind, str(project)),
    )
