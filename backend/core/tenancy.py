"""Hides how a transaction is bound to a person and a workspace: row-level security then shows only what is theirs."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections, transaction

from backend.core import trace


@contextmanager
def acting(
    *, person_id: uuid.UUID | None = None, workspace_id: uuid.UUID | None = None, using: str = "default"
) -> Iterator[None]:
    """One transaction in which the database shows what `person_id` may read and lets write what `workspace_id` owns."""
    with trace.span("database.transaction", role=using), transaction.atomic(using=using):
        _set(using, "app.person", person_id)
        _set(using, "app.workspace", workspace_id)
        yield


def enter_workspace(workspace_id: uuid.UUID, *, using: str = "default") -> None:
    """Let the open transaction write in `workspace_id`. Call it only after a right there was shown."""
    if not connections[using].in_atomic_block:
        raise RuntimeError("enter_workspace needs an open transaction: the setting is local to it")
    _set(using, "app.workspace", workspace_id)


def _set(using: str, name: str, value: uuid.UUID | None) -> None:
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT set_config(%s, %s, true)", [name, str(value) if value else ""])
