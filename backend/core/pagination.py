"""Hides the cursor: pages, newest first, in a stable order that new rows do not shift."""

import uuid
from dataclasses import dataclass
from typing import Generic, TypeVar

from django.db.models import Model, QuerySet

from backend.core import ids
from backend.core.errors import InvalidId, InvalidInput

M = TypeVar("M", bound=Model)
DEFAULT_LIMIT, MAX_LIMIT = 50, 200


@dataclass(frozen=True, slots=True)
class Page(Generic[M]):
    items: list[M]
    next_cursor: str | None


def page(rows: QuerySet[M], prefix: str, *, limit: int = DEFAULT_LIMIT, cursor: str | None = None) -> Page[M]:
    """A page of `rows` by id, newest first. UUIDv7 sorts by time, so the id alone is order and cursor.

    Raises:
        InvalidInput: a cursor that is none, or a limit outside 1 … MAX_LIMIT.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidInput(f"limit goes from 1 to {MAX_LIMIT}.", field="limit")
    if cursor:
        rows = rows.filter(pk__lt=_read(prefix, cursor))
    items = list(rows.order_by("-pk")[: limit + 1])
    more = len(items) > limit
    items = items[:limit]
    return Page(items, ids.show(prefix, items[-1].pk) if more else None)


def _read(prefix: str, cursor: str) -> uuid.UUID:
    try:
        return ids.parse(prefix, cursor)
    except InvalidId as exc:
        raise InvalidInput("This cursor is not one that a list gave.", field="cursor") from exc
