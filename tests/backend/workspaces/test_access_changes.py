"""Whatever changes a right, the database itself notes it for those who have let somebody in by it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.conf import settings
from django.test import Client

from backend.core import tenancy
from backend.projects.models import Document
from backend.workspaces.models import ApiToken, Member, Person, Session
from backend.workspaces.rights import Act, Role
from backend.workspaces.tokens import make_token, use_token
from tests.conftest import Studio

Scope = tuple[UUID | None, UUID | None, UUID | None]  # workspace, person, document


@contextmanager
def noting() -> Iterator[list[Scope]]:
    """What is noted while it is open, of whatever test runs."""
    found: list[Scope] = []
    with psycopg.connect(settings.DATABASE_SYSTEM_URL, autocommit=True) as connection:
        row = connection.execute("SELECT coalesce(max(id), 0) FROM workspaces_access_change").fetchone()
        yield found
        rows = connection.execute(
            "SELECT workspace_id, person_id, document_id FROM workspaces_access_change WHERE id > %s", row
        )
        found += rows.fetchall()


def acting(studio: Studio, person: Person) -> Any:
    return tenancy.acting(person_id=person.pk, workspace_id=studio.workspace.pk)


def _members(studio: Studio) -> Any:
    return Member.objects.filter(workspace=studio.workspace, person=studio.bo)


CHANGES: dict[str, Callable[[Studio], object]] = {
    "another role": lambda it: _members(it).update(role=Role.VIEWER),
    "a removal": lambda it: _members(it).delete(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_members_change_is_of_that_member_in_that_workspace(studio: Studio, change: Callable[[Studio], Any]) -> None:
    with noting() as noted, acting(studio, studio.ada):
        change(studio)
    assert (studio.workspace.pk, studio.bo.pk, None) in noted


@pytest.mark.parametrize("field", ["is_active", "name", "colour", "password"])
def test_a_persons_change_is_theirs_everywhere(studio: Studio, field: str) -> None:
    value = {"is_active": False, "colour": "#000000"}.get(field, "another")
    with noting() as noted, acting(studio, studio.bo):
        Person.objects.filter(pk=studio.bo.pk).update(**{field: value})
    assert (None, studio.bo.pk, None) in noted


def test_what_let_somebody_in_and_is_gone_is_noted(studio: Studio, api: Callable[[Person], Client]) -> None:
    """A session, a token."""
    api(studio.bo)
    with acting(studio, studio.bo):
        make_token(studio.bo.pk, name="Robot", scopes={Act.READ}, days=1)
    for model in (Session, ApiToken):
        with noting() as noted, acting(studio, studio.bo):
            model.objects.filter(person=studio.bo).delete()
        assert (None, studio.bo.pk, None) in noted


def test_a_document_that_is_cut_or_deleted_is_noted(studio: Studio) -> None:
    documents = Document.objects.filter(pk=studio.board.pk)
    for change in (lambda: documents.update(epoch=7), documents.delete):
        with noting() as noted, acting(studio, studio.ada):
            change()
        assert (None, None, studio.board.pk) in noted


def test_what_changes_no_right_is_not_noted(studio: Studio) -> None:
    """Else each request would have all sockets of its person looked at."""
    with acting(studio, studio.bo):
        secret, _ = make_token(studio.bo.pk, name="Robot", scopes={Act.READ}, days=1)
    with noting() as noted:
        use_token(secret)
        with acting(studio, studio.ada):
            _members(studio).update(version=9)
            Document.objects.filter(pk=studio.board.pk).update(name="Another", version=9)
    mine = {studio.workspace.pk, studio.bo.pk, studio.board.pk}
    assert [scope for scope in noted if mine & set(scope)] == []
