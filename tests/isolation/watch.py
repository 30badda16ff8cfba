"""Hides how the walk looks under the queries: what a tenant holds, a transaction sees, and an answer tells."""

import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any, cast
from unittest.mock import patch

from django.db import connection
from django.db.models import Model
from django.db.models.sql.compiler import SQLCompiler
from django.http import HttpResponseBase
from psycopg import sql
from typeid import TypeID

from backend.core import tenancy
from backend.workspaces.models import Person
from tests.isolation.tenants import Tenant

# Written behind every request's back: by the learner, by the claim of jobs, and by the relay when it has published an
# event.
_NOT_OURS = {"recommendations_part", "generations_flowclock", "generations_flowchange"}
# Noted when a session or a token is used, at most once a minute; the workspace of a token may be another one.
_PASSING = ["last_used_at", "seen_at", "address", "device", "data", "expires_at", "workspace_id"]
_TYPED_ID = re.compile(r"\b[a-z]{3}_([0-7][0-9a-hjkmnp-tv-z]{25})\b")
_UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")


@cache
def tenant_tables() -> dict[str, str]:
    """Table → the column that names its workspace: of every table that the role `app` may read."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT relname FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid AND attname = 'workspace_id'
            WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
                AND has_table_privilege(pg_class.oid, 'SELECT')"""
        )
        return {row[0]: "workspace_id" for row in cursor.fetchall()} | {"workspaces_workspace": "id"}


@cache
def personal_tables() -> dict[str, str]:
    """Table → the column that names its person: of every table that shows each person their own rows and no others."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT tablename FROM pg_policies WHERE schemaname = 'public'
            GROUP BY tablename HAVING bool_or(policyname = 'own') AND NOT bool_or(policyname = 'tenant')"""
        )
        return {row[0]: "person_id" for row in cursor.fetchall()}


def _union(each: str, tables: Mapping[str, str]) -> sql.Composed:
    return sql.SQL(" UNION ALL ").join(
        sql.SQL(each).format(name=sql.Literal(name), table=sql.Identifier(name), column=sql.Identifier(column))
        for name, column in sorted(tables.items())
    )


@dataclass(frozen=True, slots=True)
class Contents:
    """Every row of a tenant as text, and every row that is its owner's own."""

    rows: frozenset[str]
    own: frozenset[str]

    @property
    def ids(self) -> frozenset[uuid.UUID]:
        """Every id in them."""
        return frozenset(found for text in self.rows | self.own for found in _ids_in_row(text))


def contents(tenant: Tenant) -> Contents:
    """What lies in a tenant now, and what is its owner's own."""
    shared = _union(
        "SELECT true, {name} || (to_jsonb(t) - 'published_at')::text FROM {table} t WHERE {column} = %(workspace)s",
        {name: column for name, column in tenant_tables().items() if name not in _NOT_OURS},
    )
    personal = _union(
        "SELECT false, {name} || (to_jsonb(t) - %(passing)s::text[])::text FROM {table} t WHERE {column} = %(person)s",
        personal_tables(),
    )
    asked: dict[str, Any] = {"workspace": tenant.workspace.id, "person": tenant.owner.id, "passing": _PASSING}
    with (
        tenancy.acting(person_id=tenant.owner.id, workspace_id=tenant.workspace.id),
        connection.cursor() as cursor,
    ):
        cursor.execute(sql.SQL("{} UNION ALL {}").format(shared, personal), asked)
        found = cursor.fetchall()
    rows = frozenset(text for is_shared, text in found if is_shared)
    own = frozenset(text for is_shared, text in found if not is_shared)
    return Contents(rows, own)


def ids_in(text: str) -> set[uuid.UUID]:
    """Every id that stands in `text`, in either form."""
    typed = {uuid.UUID(int=TypeID.from_string(f"x_{suffix}").uuid.int) for suffix in _TYPED_ID.findall(text)}
    return typed | {uuid.UUID(found) for found in _UUID.findall(text)}


@lru_cache(maxsize=100_000)
def _ids_in_row(text: str) -> frozenset[uuid.UUID]:
    return frozenset(ids_in(text))


def told_by(answer: HttpResponseBase) -> str:
    """All that an answer tells: its headers and its body. A stream has no body yet."""
    body = b"" if answer.streaming else cast(Any, answer).content
    return "\n".join([*(f"{name}: {value}" for name, value in answer.items()), body.decode(errors="replace")])


def leaks(text: str, *, marks: Iterable[str], ids: Iterable[uuid.UUID]) -> set[str]:
    """What of a tenant stands in `text`: its marks (names, addresses) and its ids."""
    return {mark for mark in marks if mark in text} | {str(found) for found in ids_in(text) & set(ids)}


@dataclass(slots=True)
class Sight:
    """Asks PostgreSQL again and again, inside the transactions of others, what an unfiltered query would see there.

    What a transaction sees changes with `set_config` alone, so the first statement on a tenant's table after each one
    is followed by a count of all rows, in all tables, that are neither of the workspaces `mine` nor of the person `me`.
    """

    mine: list[uuid.UUID]
    me: uuid.UUID | None
    seen: dict[str, int] = field(default_factory=dict)
    _changed: bool = True

    def __call__(self, execute: Callable[..., Any], query: Any, params: Any, many: bool, context: Any) -> Any:
        result = execute(query, params, many, context)
        text = str(query)
        if "set_config" in text:
            self._changed = True
        elif self._changed and connection.in_atomic_block and any(table in text for table in tenant_tables()):
            self._changed = False
            self._look()
        return result

    def _look(self) -> None:
        shared = {name: column for name, column in tenant_tables().items() if name not in personal_tables()}
        theirs = _union("SELECT {name}, count(*) FROM {table} WHERE NOT ({column} = ANY(%(mine)s))", shared)
        others = _union(
            "SELECT {name}, count(*) FROM {table} WHERE {column} IS DISTINCT FROM %(me)s", personal_tables()
        )
        assert connection.connection is not None
        with connection.connection.cursor() as cursor:  # the driver's own: Django's would call this wrapper again
            cursor.execute(sql.SQL("{} UNION ALL {}").format(theirs, others), {"mine": self.mine, "me": self.me})
            for table, count in cursor.fetchall():
                self.seen[table] = self.seen.get(table, 0) + count

    @property
    def foreign(self) -> dict[str, int]:
        return {table: count for table, count in self.seen.items() if count}


@contextmanager
def watching(mine: Iterable[uuid.UUID], me: Person | None) -> Iterator[Sight]:
    """A `Sight` on what this thread's connection of the role `app` does, for `me` whose workspaces are `mine`."""
    sight = Sight(list(mine), me.id if me else None)
    tenant_tables(), personal_tables()  # they ask by this connection, too
    with connection.execute_wrapper(sight):
        yield sight


def _is_of_a_tenant(model: type[Model]) -> bool:
    return model._meta.db_table in tenant_tables()


@contextmanager
def unfiltered() -> Iterator[None]:
    """Every query of the ORM on a tenant's table loses its WHERE; who is signed in is still looked up as ever."""
    as_sql = SQLCompiler.as_sql

    def without_where(self: SQLCompiler, *args: Any, **options: Any) -> Any:
        query = self.query
        if query.model is None or not _is_of_a_tenant(query.model):
            return as_sql(self, *args, **options)
        with patch.object(query, "where", type(query.where)()):
            return as_sql(self, *args, **options)

    with patch.object(SQLCompiler, "as_sql", without_where):
        yield
