"""Pages of a list while others write to it, and cursors that are not what the list gave."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.core import tenancy
from backend.core.errors import InvalidInput
from backend.core.ids import new_id
from backend.core.pagination import Ask, Page
from backend.projects.models import Project
from backend.projects.queries import projects_in

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
SORTS = ("created_at", "-created_at", "name", "-name")
# Few values, so that many rows tie.
rows = st.tuples(st.sampled_from(["a", "B", "é", "東", "z_", ""]), st.integers(0, 2))
writes = st.lists(st.one_of(st.tuples(st.just("add"), rows), st.tuples(st.just("delete"), st.integers(0, 30))))


def add(studio: Any, row: tuple[str, int]) -> Project:
    name, minutes = row
    return Project.objects.create(
        workspace=studio.workspace, name=name, created_by=studio.ada, created_at=BEGAN + timedelta(minutes=minutes)
    )


def key(project: Project, sort: str) -> tuple[Any, Any]:
    return (project.folded if sort.endswith("name") else project.created_at, project.id)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(SORTS), st.integers(1, 4), st.lists(rows, max_size=12), st.lists(writes, max_size=8))
def test_no_page_skips_or_repeats(studio: Any, sort: str, limit: int, first: list[Any], meanwhile: list[Any]) -> None:
    """Whatever is added and deleted between two pages: what stays is shown once, nothing twice, all in order."""
    with tenancy.acting(workspace_id=studio.workspace.id):
        staying = {studio.project.id, *(add(studio, row).id for row in first)}
        shown: list[Project] = []
        cursor = None
        pending = iter(meanwhile)
        while True:
            found = projects_in(studio.workspace, Ask(of="law", sort=sort, limit=limit, cursor=cursor))
            shown += found.items
            cursor = found.next_cursor
            if cursor is None:
                break
            assert len(found.items) == limit
            staying -= write(studio, next(pending, []))
        transaction.set_rollback(True)
    ids = [project.id for project in shown]
    assert len(ids) == len(set(ids))
    assert staying <= set(ids)
    assert ids == [p.id for p in sorted(shown, key=lambda p: key(p, sort), reverse=sort.startswith("-"))]


def write(studio: Any, acts: list[tuple[str, Any]]) -> set[Any]:
    """Do them, and tell which rows are gone."""
    gone = set()
    for act, what in acts:
        there = list(Project.objects.exclude(pk=studio.project.pk).order_by("pk").values_list("pk", flat=True))
        if act == "add":
            add(studio, what)
        elif there:
            gone.add(there[what % len(there)])
            with connection.cursor() as cursor:  # not by Django, which would also ask for what hangs on it
                cursor.execute("DELETE FROM projects_project WHERE id = %s", [there[what % len(there)]])
    return gone


def two_pages(studio: Any, first: Ask, second: Ask) -> Page[Project]:
    with tenancy.acting(workspace_id=studio.workspace.id):
        for number in range(3):
            add(studio, (f"p{number}", number))
        cursor = projects_in(studio.workspace, first).next_cursor
        assert cursor is not None
        asked = Ask(of=second.of, sort=second.sort, filters=second.filters, cursor=cursor, limit=second.limit)
        return projects_in(studio.workspace, asked)


@pytest.mark.parametrize(
    "second",
    [
        Ask(of="other list"),
        Ask(of="list", sort="created_at"),
        Ask(of="list", sort="name"),
        Ask(of="list", filters={"q": "p"}),
        Ask(of="list", filters={"created_by": new_id()}),
    ],
)
def test_a_cursor_belongs_to_its_list_and_order_and_filters(studio: Any, second: Ask) -> None:
    """Anywhere else it is refused, for there it would begin at a place that nobody meant."""
    with pytest.raises(InvalidInput) as refused:
        two_pages(studio, Ask(of="list", limit=1), second)
    assert refused.value.extra["field"] == "cursor"


def test_a_cursor_may_be_used_with_another_limit(studio: Any) -> None:
    """It names a place in the list, not a page."""
    assert len(two_pages(studio, Ask(of="list", limit=1), Ask(of="list", limit=50)).items) == 3


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cursor=st.one_of(st.text(max_size=80), st.from_regex(r"[A-Za-z0-9_-]{20,200}", fullmatch=True)))
def test_forged_cursors_are_refused(studio: Any, cursor: str) -> None:
    """Whatever somebody makes up is no cursor."""
    with pytest.raises(InvalidInput), tenancy.acting(workspace_id=studio.workspace.id):
        projects_in(studio.workspace, Ask(of="list", cursor=cursor))
