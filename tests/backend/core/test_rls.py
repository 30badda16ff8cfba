"""Row-level security holds the line when every filter in Python is gone."""

from typing import Any

import pytest
from django.apps import apps
from django.db import connection, transaction
from django.db.utils import ProgrammingError
from psycopg import sql

from backend.core import tenancy
from backend.core.errors import NotFound
from backend.core.ids import new_id

WITHOUT_TENANT = {
    "workspaces_person",  # somebody may be in several workspaces
    "django_content_type",
    "auth_permission",
    "auth_group",
    "auth_group_permissions",
    "account_emailaddress",
    "account_emailconfirmation",
    "django_migrations",
    "generations_rollout",  # of the whole studio, and the role `app` may not even read them
    "generations_pause",
}


def tables() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace")
        return sorted(row[0] for row in cursor.fetchall())


def test_every_table_of_a_tenant_is_protected(studio: Any) -> None:
    """A new table without forced row-level security fails here, whoever makes it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace "
            "AND NOT (relrowsecurity AND relforcerowsecurity)"
        )
        open_tables = {row[0] for row in cursor.fetchall()}
    assert open_tables <= WITHOUT_TENANT


def test_the_app_role_is_an_ordinary_one(studio: Any) -> None:
    """It is no superuser and can't bypass row-level security."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user")
        assert cursor.fetchone() == (False, False)


def test_a_stranger_sees_no_row_of_any_tenant(studio: Any) -> None:
    """Unfiltered reads of every protected table, as somebody who is a member nowhere: nothing."""
    stranger = new_id()
    seen = {}
    with tenancy.acting(person_id=stranger), connection.cursor() as cursor:
        for table in set(tables()) - WITHOUT_TENANT:
            try:
                with transaction.atomic():
                    cursor.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table)))
                    seen[table] = cursor.fetchone()[0]
            except ProgrammingError:  # no grant at all
                seen[table] = 0
    assert {table: count for table, count in seen.items() if count} == {}


def test_a_member_sees_their_own_workspace_only(studio: Any, other_studio: Any) -> None:
    """Ada's unfiltered reads show Ada's workspace; the other's rows stay dark."""
    project = apps.get_model("projects", "Project")
    with tenancy.acting(person_id=studio.ada.id):
        assert set(project.objects.values_list("workspace_id", flat=True)) == {studio.workspace.id}


def test_a_member_can_read_but_not_write_without_entering(studio: Any) -> None:
    """Being a member is not enough to write: the transaction must have entered the workspace."""
    project = apps.get_model("projects", "Project")
    with tenancy.acting(person_id=studio.ada.id):
        assert project.objects.filter(pk=studio.project.id).update(name="taken") == 0


def test_nobody_enters_a_workspace_that_they_are_no_member_of(studio: Any, other_studio: Any) -> None:
    """The database looks by itself: code that forgot to check a right opens nothing."""
    with pytest.raises(NotFound), tenancy.acting(person_id=studio.ada.id):
        tenancy.enter_workspace(other_studio.workspace.id)


def test_a_row_can_not_be_moved_into_another_tenant(studio: Any, other_studio: Any) -> None:
    """The policy also checks what is written."""
    project = apps.get_model("projects", "Project")
    with pytest.raises(ProgrammingError, match="row-level security"), tenancy.acting(workspace_id=studio.workspace.id):
        project.objects.filter(pk=studio.project.id).update(workspace_id=other_studio.workspace.id)


def test_the_setting_ends_with_its_transaction(studio: Any) -> None:
    """A pooled connection carries no tenant to the next request."""
    with tenancy.acting(workspace_id=studio.workspace.id):
        pass
    with connection.cursor() as cursor:
        cursor.execute("SELECT app_workspace(), app_person()")
        assert cursor.fetchone() == (None, None)
