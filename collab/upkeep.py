"""What an operator does with stored documents: list, inspect, verify, export and repair them. Synchronous.

Each works on what is committed, whether or not the document is open somewhere: who has it open goes on with it.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from backend.core.storage import ObjectMissing
from collab import snapshots
from collab.errors import MalformedUpdate
from collab.idset import IdSet
from collab.keystrokes import pack_many
from collab.parts import Parts
from collab.room import Packed, merge_all
from collab.updates import Contents, read_update

_LIST = """
    SELECT document_id, max(workspace_id::text)::uuid, sum(rows)::bigint, sum(row_bytes)::bigint,
        sum(snapshot_bytes)::bigint, max(changed_at)
    FROM (
        SELECT document_id, workspace_id, count(*) AS rows, sum(octet_length(data)) AS row_bytes,
            0 AS snapshot_bytes, max(created_at) AS changed_at
        FROM collab_update GROUP BY document_id, workspace_id
        UNION ALL SELECT document_id, workspace_id, 0, 0, coalesce(object_bytes, octet_length(data)), updated_at
        FROM collab_snapshot
    ) AS kept GROUP BY document_id ORDER BY sum(row_bytes + snapshot_bytes) DESC LIMIT %s
"""


@dataclass(frozen=True, slots=True)
class Listed:
    document_id: UUID
    workspace_id: UUID
    rows: int  # since the last compaction
    row_bytes: int
    snapshot_bytes: int
    changed_at: datetime


@dataclass(slots=True)
class Kept:
    """All that is stored of a document."""

    snapshot: bytes | None
    index: bytes | None
    rows: list[tuple[int, bytes]]
    missing: str = ""  # the key under which there is no snapshot, and should be

    @property
    def parts(self) -> list[bytes]:
        return [*([self.snapshot] if self.snapshot is not None else []), *(data for _, data in self.rows)]


@dataclass(slots=True)
class Findings:
    """What is wrong with a document: nothing, if all are empty."""

    snapshot: str = ""  # why it can't be read
    index: str = ""  # how what is noted of the snapshot differs from what it holds
    rows: dict[int, str] = field(default_factory=dict)  # by row: why it can't be read
    missing: int = 0  # ids that never came, of clients of whom later ones did: no fault of ours

    @property
    def is_sound(self) -> bool:
        return not (self.snapshot or self.index or self.rows)


def list_documents(connection: psycopg.Connection[Any], *, limit: int) -> list[Listed]:
    """Those that take most room."""
    return [Listed(*row) for row in connection.execute(_LIST, [limit])]


def read(connection: psycopg.Connection[Any], document_id: UUID, *, attempts: int = 2) -> Kept:
    """Raises: StorageUnavailable."""
    rows = connection.execute("SELECT id, data FROM collab_update WHERE document_id = %s ORDER BY id", [document_id])
    kept = Kept(None, None, rows.fetchall())
    found = connection.execute(  # after the rows: those that are packed meanwhile are in it
        "SELECT data, contents, workspace_id, object, object_bytes FROM collab_snapshot WHERE document_id = %s",
        [document_id],
    )
    row: Sequence[Any] = found.fetchone() or [None] * 5
    kept.snapshot, kept.index, workspace_id, object_id, size = row
    if object_id is not None:
        try:
            kept.snapshot = bytes(snapshots.fetch(workspace_id, document_id, object_id, size))
        except ObjectMissing:
            if attempts:  # it has been replaced
                return read(connection, document_id, attempts=attempts - 1)
            kept.missing = snapshots.key(workspace_id, document_id, object_id)
    return kept


def verify(kept: Kept) -> Findings:
    """Read everything, and hold the snapshot against what is noted of it."""
    found, held = Findings(), IdSet()
    if kept.missing:
        found.snapshot = f"It is not in the store: {kept.missing}"
    if kept.snapshot is not None:
        try:
            contents = read_update(kept.snapshot)
        except MalformedUpdate as exc:
            found.snapshot = exc.detail
        else:
            held.update(contents.structs)
            found.index = _of_index(kept.index, contents)
    for row_id, data in kept.rows:
        try:
            held.update(read_update(data).structs)
        except MalformedUpdate as exc:
            found.rows[row_id] = exc.detail
    found.missing = sum(held.end(client) for client in held.clients()) - len(held)
    return found


def _of_index(index: bytes | None, contents: Contents) -> str:
    if index is None:
        return ""  # of a snapshot that is older than the index: it is read as an update
    held = Packed()
    held.structs.update(contents.structs)
    held.deletions.update(contents.deletions)
    try:
        noted = Packed.with_index(b"", index)
    except (IndexError, ValueError):
        return "It can't be read."
    same = (noted.structs, noted.deletions) == (held.structs, held.deletions)
    return "" if same else "It is not of this snapshot."


def export(kept: Kept) -> bytes:
    """The whole document as one update of Yjs's format v1. Raises: MalformedUpdate."""
    parts = kept.parts
    if not parts:
        return b"\x00\x00"
    packing = pack_many(Parts.of(parts))
    return merge_all([bytes(packing.packed.update), *(parts[place] for place in packing.left)])[0]


def repair(connection: psycopg.Connection[Any], document_id: UUID, aside: Path) -> list[Path]:
    """Note anew what the snapshot holds, and set aside what can't be read, each as a file; those files.

    Of a snapshot that S3 lacks its key is set aside.

    All or nothing: the files are written before the transaction that takes their bytes out of the journal.
    """
    with _alone(connection, document_id):
        kept = read(connection, document_id)
        found = verify(kept)
        files = []
        if found.snapshot:
            snapshot = kept.missing.encode() if kept.snapshot is None else kept.snapshot
            files.append(_set_aside(aside, f"{document_id}.snapshot", snapshot))
            connection.execute("DELETE FROM collab_snapshot WHERE document_id = %s", [document_id])
        elif found.index:
            connection.execute("UPDATE collab_snapshot SET contents = NULL WHERE document_id = %s", [document_id])
        for row_id, data in kept.rows:
            if row_id in found.rows:
                files.append(_set_aside(aside, f"{document_id}.{row_id}", data))
        connection.execute("DELETE FROM collab_update WHERE id = ANY(%s)", [list(found.rows)])
    return files


def _set_aside(folder: Path, name: str, data: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_bytes(data)
    return file


@contextmanager
def _alone(connection: psycopg.Connection[Any], document_id: UUID) -> Iterator[None]:
    """A transaction beside which nobody compacts the document."""
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 7))", [f"collab.compact:{document_id}"])
        yield


def documents(connection: psycopg.Connection[Any]) -> Sequence[UUID]:
    """All of which anything is stored."""
    rows = connection.execute("SELECT document_id FROM collab_snapshot UNION SELECT document_id FROM collab_update")
    return [document_id for (document_id,) in rows]
