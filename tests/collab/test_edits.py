"""Edits from Python: in the caller's transaction, attributed, undone once by whom they were made for."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction

from backend.core import ids, tenancy
from backend.core.errors import Forbidden, NotFound
from collab import edits
from collab.edits import RemoveEntry, SetEntry
from tests.conftest import Studio

Acting = Callable[[], AbstractContextManager[None]]
Make = Callable[..., UUID]

IMAGE = {"type": "image", "x": 1.5, "updated": 1_763_920_000_000, "scale": [1, 1], "customData": {"jobId": "job_1"}}


@pytest.fixture
def acting(studio: Studio) -> Any:
    """A transaction of Ada in her workspace."""
    return lambda: tenancy.acting(person_id=studio.ada.pk, workspace_id=studio.workspace.pk)


@pytest.fixture
def make(studio: Studio) -> Any:
    """`make(*changes)` applies them on behalf of Ada."""

    def apply(*change: Any) -> Any:
        return edits.apply(
            studio.board.pk, change, workspace_id=studio.workspace.pk, author="span", on_behalf_of=studio.ada.pk
        )

    return apply


def test_an_edit_is_read_back(acting: Acting, make: Make, studio: Studio) -> None:
    """What was set is there in a later transaction, with its nested values."""
    with acting():
        make(SetEntry("elements", "a", IMAGE), SetEntry("elements", "b", {"x": 1}))
    with acting():
        make(RemoveEntry("elements", "b"))
        assert edits.read(studio.board.pk, "elements") == {"a": IMAGE}
        assert edits.read(studio.board.pk, "meta") == {}


def test_an_edit_is_part_of_the_callers_transaction(acting: Acting, make: Make, studio: Studio) -> None:
    """A rollback takes it along."""
    with acting():
        make(SetEntry("elements", "a", IMAGE))
        transaction.set_rollback(True)
    with acting():
        assert edits.read(studio.board.pk, "elements") == {}


def test_undo_takes_it_away_once(acting: Acting, make: Make, studio: Studio) -> None:
    """True the first time, False after; the entry is gone."""
    with acting():
        edit_id = make(SetEntry("elements", "a", IMAGE))
    with acting():
        assert edits.undo(edit_id, document_id=studio.board.pk, person_id=studio.ada.pk) is True
        assert edits.undo(edit_id, document_id=studio.board.pk, person_id=studio.ada.pk) is False
        assert edits.read(studio.board.pk, "elements") == {}


def test_undo_leaves_what_replaced_the_entry(acting: Acting, make: Make, studio: Studio) -> None:
    """An entry that somebody put in its place since stays."""
    with acting():
        edit_id = make(SetEntry("elements", "a", {"x": 1}))
        make(SetEntry("elements", "a", {"x": 2}))
        assert edits.undo(edit_id, document_id=studio.board.pk, person_id=studio.ada.pk)
        assert edits.read(studio.board.pk, "elements") == {"a": {"x": 2}}


def test_undo_brings_back_what_the_edit_replaced_or_removed(acting: Acting, make: Make, studio: Studio) -> None:
    """The entries as they stood before the edit are there again."""
    with acting():
        make(SetEntry("elements", "a", {"x": 1}), SetEntry("elements", "b", {"x": 1}))
        edit_id = make(SetEntry("elements", "a", {"x": 2}), RemoveEntry("elements", "b"))
        assert edits.read(studio.board.pk, "elements") == {"a": {"x": 2}}
        edits.undo(edit_id, document_id=studio.board.pk, person_id=studio.ada.pk)
        assert edits.read(studio.board.pk, "elements") == {"a": {"x": 1}, "b": {"x": 1}}


def test_only_the_asker_undoes(acting: Acting, make: Make, studio: Studio, other_studio: Studio) -> None:
    """Another person is refused; at another document, or in another tenant, there is no such edit."""
    with acting():
        edit_id = make(SetEntry("elements", "a", IMAGE))
        with pytest.raises(Forbidden):
            edits.undo(edit_id, document_id=studio.board.pk, person_id=studio.bo.pk)
        with pytest.raises(NotFound):
            edits.undo(edit_id, document_id=ids.new_id(), person_id=studio.ada.pk)
        with pytest.raises(NotFound):
            edits.undo(ids.new_id(), document_id=studio.board.pk, person_id=studio.ada.pk)
    stranger = other_studio.ada.pk
    with (
        tenancy.acting(person_id=stranger, workspace_id=other_studio.workspace.pk),
        pytest.raises(NotFound),
    ):
        edits.undo(edit_id, document_id=studio.board.pk, person_id=stranger)


def test_another_tenant_sees_nothing_of_the_journal(
    acting: Acting, make: Make, studio: Studio, other_studio: Studio
) -> None:
    """Row-level security holds under the queries."""
    with acting():
        make(SetEntry("elements", "a", IMAGE))
    with tenancy.acting(person_id=other_studio.ada.pk, workspace_id=other_studio.workspace.pk):
        assert edits.read(studio.board.pk, "elements") == {}
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM collab_update")
            assert cursor.fetchone() == (0,)


def test_an_edit_needs_a_transaction(make: Make, studio: Studio) -> None:
    """Outside a transaction there is no tenant: a clear error."""
    with pytest.raises(RuntimeError):
        make(SetEntry("elements", "a", IMAGE))
