"""Hides how one row is read by its id in every request: by SQL that is written once for each model.

To write such a query anew costs Django more than it costs PostgreSQL to answer it. Row-level security is under it as
under any other.
"""

import uuid
from functools import cache
from typing import TypeVar

from django.db import connection
from django.db.models import Model

M = TypeVar("M", bound=Model)


def by_id(model: type[M], pk: uuid.UUID) -> M | None:
    """The row, or None where there is none that the transaction may see. Not for models with JSON columns."""
    query, names = _select(model)
    with connection.cursor() as cursor:
        cursor.execute(query, [pk])
        row = cursor.fetchone()
    return None if row is None else model.from_db("default", names, row)


@cache
def _select(model: type[Model]) -> tuple[str, list[str]]:
    quote, meta = connection.ops.quote_name, model._meta
    columns = ", ".join(quote(str(field.column)) for field in meta.concrete_fields)
    query = f"SELECT {columns} FROM {quote(meta.db_table)} WHERE {quote(str(meta.pk.column))} = %s"  # noqa: S608 - our names
    return query, [field.attname for field in meta.concrete_fields]
