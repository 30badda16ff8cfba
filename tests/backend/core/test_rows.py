"""Rows read and written by SQL that is written once: the same as by the ORM."""

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, connections, transaction
from django.forms import model_to_dict
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.assets.models import Asset
from backend.core import ids, rows, statements, tenancy
from backend.generations.models import Job
from backend.projects.models import Project
from tests.conftest import Stack, Studio, make_studio

text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)
moments = st.none() | st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))


@pytest.fixture(scope="module")
def tenant(stack: Stack) -> Studio:
    return make_studio()


@pytest.fixture(autouse=True)
def _open(tenant: Studio) -> Iterator[None]:
    """A transaction in the workspace that leaves nothing."""
    with tenancy.acting(workspace_id=tenant.workspace.id):
        yield
        transaction.set_rollback(True)


def job(studio: Studio, **fields: Any) -> Job:
    said: dict[str, Any] = {
        "task": "enhance",
        "task_version": "1",
        "parameters": {},
        "traceparent": "",
        "estimate_us": 1,
    }
    here = {"workspace_id": studio.workspace.id, "project_id": studio.project.id, "person_id": studio.ada.id}
    return Job(id=ids.new_id(), **here, **{**said, **fields})


def fields_of(row: Any) -> dict[str, Any]:
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}


SOME = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
WRITTEN: dict[str, st.SearchStrategy[Any]] = {
    "task": text,
    "parameters": st.dictionaries(text, json, max_size=3),
    "error": json,
    "start_by": moments,
}


@SOME
@given(
    **WRITTEN,
    recipe=json,
    staged=st.lists(text, max_size=3),
    run_timeout_s=st.none() | st.integers(-(2**31), 2**31 - 1),
    estimate_us=st.integers(0, 10**12),
)
def test_what_is_added_is_what_is_read_whichever_way(tenant: Studio, **fields: Any) -> None:
    """Text, JSON, times, numbers and nothing; and what the database fills in."""
    added = job(tenant, **fields)
    rows.add(added)
    by_orm = Job.objects.get(pk=added.id)
    assert fields_of(rows.by_id(Job, added.id)) == fields_of(added) == fields_of(by_orm)


@SOME
@given(**WRITTEN, attempt=st.integers(0, 2**31 - 1))
def test_what_is_changed_is_what_the_orm_would_change(tenant: Studio, **fields: Any) -> None:
    """And nothing else."""
    at = datetime.now(UTC)
    one, other = (job(tenant, created_at=at, not_before=at) for _ in range(2))
    rows.add(one)
    rows.add(other)
    for name, value in fields.items():
        setattr(one, name, value)
        setattr(other, name, value)
    rows.change(one, fields)
    other.save(update_fields=list(fields))
    mine, theirs = (model_to_dict(Job.objects.get(pk=row.id), exclude=["id"]) for row in (one, other))
    assert mine == theirs


def test_a_relation_is_changed_by_its_name(tenant: Studio) -> None:
    """As in `save(update_fields=…)`: what is set is the other row."""
    asset = Asset(
        id=ids.new_id(),
        workspace_id=tenant.workspace.id,
        project_id=tenant.project.id,
        name="Straße",
        media_type="image/png",
        width=1,
        height=1,
        size_bytes=1,
        sha256="0" * 64,
        renditions={},
        created_by_id=tenant.ada.id,
    )
    rows.add(asset)
    assert asset.folded == "strasse"  # which the database makes of the name
    row = job(tenant)
    rows.add(row)
    row.output_asset = asset
    rows.change(row, ["output_asset"])
    found = rows.by_id(Job, row.id)
    assert found is not None
    assert found.output_asset == asset


def test_what_there_is_not_is_nothing(tenant: Studio) -> None:
    """And what another tenant has is not there."""
    assert rows.by_id(Job, uuid.uuid4()) is None
    row = job(tenant)
    rows.add(row)
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('app.workspace', '', true)")
    assert rows.by_id(Job, row.id) is None


def test_a_row_that_is_there_already_is_an_integrity_error(tenant: Studio) -> None:
    """Django's, as of any other statement."""
    row = job(tenant)
    rows.add(row)
    with pytest.raises(IntegrityError), transaction.atomic():
        rows.add(row)


def test_where_no_row_is_changed_that_is_an_error(tenant: Studio) -> None:
    """Of one that is not there, or another tenant's: nothing is lost without a word."""
    with pytest.raises(DatabaseError), transaction.atomic():
        rows.change(job(tenant), ["task"])


def test_a_locked_row_is_nobody_elses(tenant: Studio) -> None:
    """Until the transaction ends."""

    def free() -> bool:
        try:
            with tenancy.acting(workspace_id=tenant.workspace.id):
                return Project.objects.select_for_update(skip_locked=True).filter(pk=tenant.project.id).exists()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as somebody:
        assert rows.by_id(Project, tenant.project.id) == tenant.project
        assert somebody.submit(free).result()
        assert rows.by_id(Project, tenant.project.id, lock=True) == tenant.project
        assert not somebody.submit(free).result()


def test_a_statement_is_planned_once_for_a_connection(tenant: Studio) -> None:
    """The third time it is prepared, with its values beside it; one of the ORM never is."""
    query = f"SELECT %s::text || '{uuid.uuid4()}'"
    for value in ("a", "b'; --", "c"):
        with statements.cursor() as cursor:
            cursor.execute(query, [value])
            assert cursor.fetchone()[0].startswith(value)
    for _ in range(3):
        assert Job.objects.filter(task=query).first() is None
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE %s", ["SELECT $1::text ||%"])
        assert cursor.fetchone()[0] == 1
        cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE %s", ['%task" = %'])
        assert cursor.fetchone()[0] == 0
