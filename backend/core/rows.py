"""Hides how the rows that nearly every request and job touches are read and written by SQL that is written once.

To write such a statement anew each time costs Django more than it costs PostgreSQL to run it, and so does planning it.
Row-level security is under it as under any other. For models without signals.
"""

import uuid
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, TypeVar

from django.db import DatabaseError, connection
from django.db.models import Field, Model
from django.db.models.expressions import DatabaseDefault

from backend.core import statements

M = TypeVar("M", bound=Model)


def by_id(model: type[M], pk: uuid.UUID, *, lock: bool = False) -> M | None:
    """The row, or None where there is none that the transaction may see. With `lock` it is the transaction's."""
    found = _fetched(_select(model, lock), [pk])
    return None if found is None else model.from_db("default", *_python(model._meta.concrete_fields, found))


def add(row: Model) -> None:
    """Insert it, and give it what the database sets by itself."""
    fields = tuple(field for field in row._meta.concrete_fields if _is_given(row, field))
    query, answered = _insert(type(row), fields)
    found = _fetched(query, _prepared(row, fields))
    for name, value in zip(*_python(answered, found or ()), strict=True):
        setattr(row, name, value)
    row._state.adding, row._state.db = False, "default"


def change(row: Model, names: Iterable[str]) -> None:
    """Write these fields of it. Raises DatabaseError, as `save` does, where there is no such row to be changed."""
    fields: Any = tuple(row._meta.get_field(name) for name in names)  # fields with a column, as the caller knows
    with statements.cursor() as cursor:
        cursor.execute(_update(type(row), fields), [*_prepared(row, fields), row.pk])
        if cursor.rowcount != 1:
            raise DatabaseError(f"no row of {row._meta.db_table} was changed")


def _is_given(row: Model, field: "Field[Any, Any]") -> bool:
    return not field.generated and not isinstance(getattr(row, field.attname), DatabaseDefault)


def _fetched(query: str, values: Sequence[Any]) -> "tuple[Any, ...] | None":
    with statements.cursor() as cursor:
        cursor.execute(query, values)
        found: tuple[Any, ...] | None = cursor.fetchone() if cursor.description else None
        return found


def _prepared(row: Model, fields: "Iterable[Field[Any, Any]]") -> list[Any]:
    return [field.get_db_prep_save(getattr(row, field.attname), connection) for field in fields]


def _python(fields: "Sequence[Field[Any, Any]]", values: Sequence[Any]) -> tuple[list[str], list[Any]]:
    """The names and values as `Model.from_db` takes them."""
    read = [
        field.from_db_value(value, None, connection) if hasattr(field, "from_db_value") else value
        for field, value in zip(fields, values, strict=True)
    ]
    return [field.attname for field in fields], read


@cache
def _select(model: type[Model], lock: bool) -> str:
    meta = model._meta
    columns, table, key = _names(meta.concrete_fields), _quoted(meta.db_table), _quoted(str(meta.pk.column))
    return f"SELECT {columns} FROM {table} WHERE {key} = %s{' FOR UPDATE' if lock else ''}"  # noqa: S608 - our names


@cache
def _insert(model: type[Model], fields: "tuple[Field[Any, Any], ...]") -> "tuple[str, tuple[Field[Any, Any], ...]]":
    """And what it answers with."""
    answered = tuple(field for field in model._meta.concrete_fields if field not in fields)
    query = (
        f"INSERT INTO {_quoted(model._meta.db_table)} ({_names(fields)})"  # noqa: S608 - our names
        f" VALUES ({', '.join(['%s'] * len(fields))}){' RETURNING ' if answered else ''}{_names(answered)}"
    )
    return query, answered


@cache
def _update(model: type[Model], fields: "tuple[Field[Any, Any], ...]") -> str:
    changes = ", ".join(f"{_names([field])} = %s" for field in fields)
    table, key = _quoted(model._meta.db_table), _quoted(str(model._meta.pk.column))
    return f"UPDATE {table} SET {changes} WHERE {key} = %s"  # noqa: S608 - our names


def _names(fields: "Iterable[Field[Any, Any]]") -> str:
    return ", ".join(_quoted(str(field.column)) for field in fields)


def _quoted(name: str) -> str:
    return connection.ops.quote_name(name)
