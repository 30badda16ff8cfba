"""`manage.py documents`: what an operator sees and mends of stored documents, on the real PostgreSQL."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pycrdt
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from psycopg import sql

from backend.core import ids
from tests.collab.table import updates_of_one
from tests.conftest import Stack


@pytest.fixture
def document_id(stack: Stack) -> UUID:
    return ids.new_id()


def _store(document_id: UUID, updates: Sequence[bytes]) -> list[int]:
    with psycopg.connect(settings.DATABASE_SYSTEM_URL) as connection:
        writer = ids.new_id()
        rows = [
            connection.execute(
                "INSERT INTO collab_update (document_id, workspace_id, data, writer, seq) "
                "VALUES (%s, %s, %s, %s, %s) RETURNING id",
                [document_id, writer, update, writer, number],
            ).fetchone()
            for number, update in enumerate(updates)
        ]
    return [row[0] for row in rows if row]


def _run(act: str, *arguments: object) -> tuple[str, str]:
    """What it says, and what it complains of."""
    out, complaints = io.StringIO(), io.StringIO()
    try:
        call_command("documents", act, *map(str, arguments), stdout=out, stderr=complaints)
    except CommandError as exc:
        complaints.write(str(exc))
    return out.getvalue(), complaints.getvalue()


def _exported(document_id: UUID, folder: Path) -> Any:
    file = folder / "exported"
    assert _run("export", ids.show("doc", document_id), file)[1] == ""
    doc: pycrdt.Doc[Any] = pycrdt.Doc()
    doc.apply_update(file.read_bytes())
    return doc.get("elements", type=pycrdt.Map).to_py()


def test_a_document_is_listed_inspected_compacted_and_exported(document_id: UUID, tmp_path: Path) -> None:
    """The same document before and after its compaction; that something is missing is told."""
    name, updates = ids.show("doc", document_id), updates_of_one(30)
    _store(document_id, [*updates[:10], *updates[11:]])
    assert f"{name:30} {29:9,}" in _run("list", "--limit", 1000)[0]
    assert "29 rows" in _run("inspect", name)[0]
    assert "missing    1 changes" in _run("inspect", name)[0]
    assert len(_exported(document_id, tmp_path)) == 29
    _store(document_id, [updates[10]])
    assert _run("compact", name)[0].startswith("30 rows")
    assert "0 rows" in _run("inspect", name)[0]
    assert _exported(document_id, tmp_path) == {str(number): str(number) for number in range(30)}
    assert _run("verify", name) == ("1 documents are sound.\n", "")


def test_what_cannot_be_read_is_found_and_set_aside(document_id: UUID, tmp_path: Path) -> None:
    """Its bytes come into a file, and nothing else is touched."""
    name = ids.show("doc", document_id)
    *_, broken_id = _store(document_id, [*updates_of_one(5), b"no update"])
    said, complaints = _run("verify", name)
    assert (said, f"{name}: row {broken_id}: " in complaints) == ("", True)
    assert "1 of 1 documents are broken" in complaints
    said, complaints = _run("repair", name, tmp_path / "aside")
    assert (said.splitlines()[-1], complaints) == ("The document is sound.", "")
    assert (tmp_path / "aside" / f"{document_id}.{broken_id}").read_bytes() == b"no update"
    assert _exported(document_id, tmp_path) == {str(number): str(number) for number in range(5)}


@pytest.mark.parametrize(
    ("column", "value", "what"), [("contents", b"\x01", "index of the snapshot"), ("data", b"?", "snapshot")]
)
def test_a_snapshot_is_held_against_its_index(
    document_id: UUID, tmp_path: Path, column: str, value: bytes, what: str
) -> None:
    """A wrong index is made anew; a snapshot that is none is set aside, and what came after it stays."""
    name, updates = ids.show("doc", document_id), updates_of_one(6)
    _store(document_id, updates[:5])
    _run("compact", name)
    with psycopg.connect(settings.DATABASE_SYSTEM_URL) as connection:
        change = sql.SQL("UPDATE collab_snapshot SET {} = %s WHERE document_id = %s").format(sql.Identifier(column))
        connection.execute(change, [value, document_id])
    assert f"{name}: {what}: " in _run("verify", name)[1]
    assert _run("repair", name, tmp_path)[1] == ""
    _store(document_id, updates[5:])
    assert len(_exported(document_id, tmp_path)) == (6 if column == "contents" else 1)
    assert (tmp_path / f"{document_id}.snapshot").exists() == (column == "data")


def test_there_is_nothing_to_tell_of_a_document_that_is_not_there(document_id: UUID) -> None:
    assert "Nothing is stored" in _run("inspect", ids.show("doc", document_id))[1]
    assert _run("inspect", "no id")[1] != ""
