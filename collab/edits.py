"""Edits of a document from Python: part of the caller's transaction, attributed, undone by whom they were made for.

Synchronous, on Django's "default" connection, inside the caller's transaction and tenant. Whether or not the document
is open somewhere, an edit is a row of the journal; open rooms hear of it on commit through Valkey, or by their next
look.

Each edit has a Yjs client id of its own, so "what this edit put" is exactly the structs under that id: undo is a
deletion of all of them. It needs no look at the document, takes along what people changed inside an entry, and does
nothing to an entry that was replaced since.
"""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias
from uuid import UUID

import pycrdt
import redis
import structlog
from django.db import connection, transaction

from backend.core import ids, metrics, trace, valkey
from backend.core.errors import Forbidden, NotFound
from backend.core.storage import ObjectMissing
from collab import peers, room, snapshots
from collab.protocol import read_state_vector, write_uint
from collab.updates import read_update

log = structlog.get_logger()

Json: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SetEntry:
    """Put `value` at `map[key]` as a nested Y.Map of its items; what stood there is replaced."""

    map: str
    key: str
    value: Json


@dataclass(frozen=True, slots=True)
class RemoveEntry:
    map: str
    key: str


Change: TypeAlias = Sequence[SetEntry | RemoveEntry]


def apply(
    document_id: UUID, change: Change, *, workspace_id: UUID, author: str, on_behalf_of: UUID | None
) -> UUID:  # fmt: skip
    """Make `change` and return the edit's id. Needs an open transaction that acts in the workspace."""
    _needs_transaction()
    edit_id = ids.new_id()
    document, client_id = _open(document_id)
    before = [{"map": c.map, "key": c.key, "value": _entry(document, c.map, c.key)} for c in change]
    update = _change(document, change)
    clock = read_state_vector(document.get_state()).get(client_id, 0)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO collab_edit (id, document_id, workspace_id, author, on_behalf_of, client_id, clock, before) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s::jsonb)",
            [edit_id, document_id, workspace_id, author, on_behalf_of, client_id, clock, json.dumps(before)],
        )
    _append(document_id, workspace_id, update, author=author, person_id=on_behalf_of, writer=edit_id)
    log.info("collab.edited", edit_id=str(edit_id), document_id=str(document_id), author=author)
    return edit_id


def undo(edit_id: UUID, *, document_id: UUID, person_id: UUID) -> bool:
    """Take an edit back; False when that was done already. Idempotent. Locks the edit's row.

    Raises:
        NotFound: no such edit of the document in the tenant.
        Forbidden: it was made for somebody else.
    """
    _needs_transaction()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT workspace_id, on_behalf_of, client_id, clock, before, undone_at "
            "FROM collab_edit WHERE id = %s AND document_id = %s FOR UPDATE",
            [edit_id, document_id],
        )
        row = cursor.fetchone()
        if row is None:
            raise NotFound("There is no such edit.")
        workspace_id, on_behalf_of, client_id, clock, before, undone_at = row
        if on_behalf_of != person_id:
            raise Forbidden("Only the person for whom an edit was made may undo it.")
        if undone_at is not None:
            return False
        cursor.execute("UPDATE collab_edit SET undone_at = now() WHERE id = %s", [edit_id])
    removal = _deletion(client_id, clock)
    replaced = [entry for entry in (json.loads(before) if isinstance(before, str) else before) if entry["value"]]
    updates = [removal] if clock else []
    if replaced:
        updates.append(_restoration(document_id, replaced, removal if clock else None))
    for update in updates:
        _append(document_id, workspace_id, update, author="undo", person_id=person_id, writer=ids.new_id())
    log.info("collab.undone", edit_id=str(edit_id), document_id=str(document_id))
    return True


def read(document_id: UUID, map: str) -> dict[str, Any]:
    """The entries of a map of the document as it is committed, as plain dicts."""
    document, _ = _open(document_id)
    return dict(document.get(map, type=pycrdt.Map).to_py() or {})


def _needs_transaction() -> None:
    if not connection.in_atomic_block:
        raise RuntimeError("an edit is part of a transaction: open one with core.tenancy.acting")


def _open(document_id: UUID, attempts: int = 2) -> tuple["pycrdt.Doc[Any]", int]:
    """The document as committed, and the new client id under which it will be changed. Raises: StorageUnavailable."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 0 AS id, data, workspace_id, object, object_bytes FROM collab_snapshot WHERE document_id = %s "
            "UNION ALL SELECT id, data, NULL, NULL, NULL FROM collab_update WHERE document_id = %s ORDER BY id",
            [document_id, document_id],
        )
        rows = cursor.fetchall()
    try:
        parts = [
            bytes(data if object_id is None else snapshots.fetch(workspace_id, document_id, object_id, size))
            for _, data, workspace_id, object_id, size in rows
        ]
    except ObjectMissing:
        if not attempts:
            raise
        return _open(document_id, attempts - 1)  # it has been replaced
    client_id = secrets.randbits(32)  # JavaScript's Yjs draws 32 bits too
    document = room.build(parts, client_id=client_id)
    if client_id in read_state_vector(document.get_state()):
        return _open(document_id, attempts)
    return document, client_id


def _entry(document: "pycrdt.Doc[Any]", name: str, key: str) -> Any:
    entries = document.get(name, type=pycrdt.Map)
    if key not in entries:
        return None
    value = entries[key]
    return value.to_py() if hasattr(value, "to_py") else value


def _change(document: "pycrdt.Doc[Any]", change: Change) -> bytes:
    """Make the change in one Yjs transaction; the update that carries it and nothing else."""
    updates: list[bytes] = []
    maps = {c.map: document.get(c.map, type=pycrdt.Map) for c in change}
    subscription = document.observe(lambda event: updates.append(event.update))
    with document.transaction():
        for c in change:
            if isinstance(c, SetEntry):
                maps[c.map][c.key] = pycrdt.Map(dict(c.value))
            elif c.key in maps[c.map]:
                del maps[c.map][c.key]
    document.unobserve(subscription)
    return updates[0] if updates else b"\x00\x00"


def _deletion(client_id: int, clock: int) -> bytes:
    """An update without structs that deletes the first `clock` structs of a client. Source: Yjs's update format v1."""
    return b"\x00\x01" + write_uint(client_id) + b"\x01\x00" + write_uint(clock)


def _restoration(document_id: UUID, replaced: list[dict[str, Any]], removal: bytes | None) -> bytes:
    """Put back what the edit replaced or removed, where nobody has put something else since."""
    document, _ = _open(document_id)
    if removal is not None:
        document.apply_update(removal)
    free = [e for e in replaced if e["key"] not in document.get(e["map"], type=pycrdt.Map)]
    return _change(document, [SetEntry(e["map"], e["key"], e["value"]) for e in free])


def _append(
    document_id: UUID, workspace_id: UUID, update: bytes, *, author: str, person_id: UUID | None, writer: UUID
) -> None:  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO collab_update (document_id, workspace_id, person_id, author, data, writer, seq) "
            "VALUES (%s, %s, %s, %s, %s, %s, 0)",
            [document_id, workspace_id, person_id, author, update, writer],
        )
        cursor.executemany(
            "INSERT INTO collab_client (document_id, workspace_id, client_id) VALUES (%s, %s, %s)",
            [(document_id, workspace_id, client_id) for client_id in read_update(update).structs],
        )
    message = peers.encode(peers.Flush(writer, 0, True, person_id, update, trace.current()))
    transaction.on_commit(lambda: _tell(document_id, message), robust=True)


def _tell(document_id: UUID, message: bytes) -> None:
    try:
        valkey.client().publish(peers.channel(document_id), message)
    except (redis.RedisError, OSError) as exc:
        metrics.VALKEY_ERRORS.labels("collab").inc()
        log.warning("collab.edit_not_told", document_id=str(document_id), error=type(exc).__name__)
