"""Hides how a transaction is bound to a person and a workspace: row-level security then shows only what is theirs."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections, transaction

from backend.core import rate_limits, statements, trace
from backend.core.errors import NotFound

_BIND = "SELECT set_config('app.person', %s, true), set_config('app.workspace', %s, true)"
_ENTER = """
    SELECT set_config('app.workspace', CASE
        WHEN app_person() IS NULL OR %(workspace)s IN (SELECT app_workspaces()) THEN %(workspace)s::text ELSE ''
    END, true)
"""


@contextmanager
def acting(
    *, person_id: uuid.UUID | None = None, workspace_id: uuid.UUID | None = None, using: str = "default"
) -> Iterator[None]:
    """One transaction in which the database shows what `person_id` may read and lets write what `workspace_id` owns."""
    with trace.span("database.transaction", role=using), transaction.atomic(using=using):
        if person_id or workspace_id or connections[using].savepoint_ids:  # else nobody, as each transaction begins
            with statements.cursor(using) as cursor:
                cursor.execute(_BIND, [_text(person_id), _text(workspace_id)])
        yield
    if not connections[using].in_atomic_block:
        connections[using].close()  # back to the pool: what follows may wait for a store or a network


def enter_workspace(workspace_id: uuid.UUID, *, using: str = "default") -> None:
    """Let the open transaction write in `workspace_id`. Call it only after a right there was shown.

    Where a person acts, the database looks by itself whether they are a member: a check above that lost its condition,
    or was forgotten, opens nothing.

    Raises:
        NotFound: the person who acts is no member.
        RateLimited: inside a request, when those of the workspace are used up.
    """
    _check_open(using)
    with statements.cursor(using) as cursor:
        cursor.execute(_ENTER, {"workspace": workspace_id})
        if cursor.fetchone() != (str(workspace_id),):
            raise NotFound
    rate_limits.take_of_workspace(workspace_id)


def enter_as_newcomer(workspace_id: uuid.UUID, *, using: str = "default") -> None:
    """As `enter_workspace`, for who becomes a member in this transaction: by founding the workspace, or invited."""
    _check_open(using)
    with statements.cursor(using) as cursor:
        cursor.execute("SELECT set_config('app.workspace', %s, true)", [_text(workspace_id)])


def _check_open(using: str) -> None:
    if not connections[using].in_atomic_block:
        raise RuntimeError("a workspace is entered in an open transaction: the setting is local to it")


def _text(value: uuid.UUID | None) -> str:
    return str(value) if value else ""
