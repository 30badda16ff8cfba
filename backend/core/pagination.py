"""Hides how a list is cut into pages: in a stable order, by keyset, with cursors that only their own list takes back.

A page begins after the last row of the one before it, by the sort key and then the id. So a row that is there all the
while is shown once, whatever is added or deleted meanwhile.
"""

import base64
import hmac
import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from django.db.models import F, Model, QuerySet
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan, TupleLessThan
from django.utils.crypto import salted_hmac

from backend.core.errors import InvalidInput

M = TypeVar("M", bound=Model)
DEFAULT_LIMIT, MAX_LIMIT = 50, 200
MAC_BYTES = 16
CREATED = {"created_after": "created_at__gt", "created_before": "created_at__lt"}


@dataclass(frozen=True, slots=True)
class Ask:
    """What a client asks of a list. `sort`: a word, with "-" before it for descending. `of`: the list's name."""

    of: str
    limit: int = DEFAULT_LIMIT
    cursor: str | None = None
    sort: str = "-created_at"
    filters: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Listing:
    """What a list can be asked: the columns of its sort words, and the lookups (or narrowings) of its filters."""

    sorts: Mapping[str, str]
    filters: Mapping[str, str | Callable[[QuerySet[Any], Any], QuerySet[Any]]]


@dataclass(frozen=True, slots=True)
class Page(Generic[M]):
    items: list[M]
    next_cursor: str | None


def page(rows: QuerySet[M], ask: Ask, listing: Listing) -> Page[M]:
    """The page of `rows` that `ask` names, in one query.

    Raises:
        InvalidInput: a cursor that this list, asked this way, did not give.
    """
    whole = rows
    for word, value in ask.filters.items():
        narrowing = listing.filters[word]
        rows = rows.filter(**{narrowing: value}) if isinstance(narrowing, str) else narrowing(rows, value)
    column, descending = listing.sorts[ask.sort.removeprefix("-")], ask.sort.startswith("-")
    if ask.cursor is not None:
        beyond = TupleLessThan if descending else TupleGreaterThan
        rows = rows.filter(beyond(Tuple(F(column), F("pk")), _opened(ask, rows.model, column)))
    sign = "-" if descending else ""
    order = (f"{sign}{column}", f"{sign}pk")
    rows = rows.order_by(*order)[: ask.limit + 1]
    if "q" in ask.filters:
        # Which rows is decided in the index alone; of the many that a search passes over, none is fetched. LIKE is not
        # leakproof, so under row-level security it can only be such a filter, and no condition of a trigram index.
        rows = whole.filter(pk__in=rows.values("pk")).order_by(*order)
    items = list(rows)
    more = len(items) > ask.limit
    items = items[: ask.limit]
    return Page(items, _sealed(ask, items[-1], column) if more else None)


def _sealed(ask: Ask, row: Model, column: str) -> str:
    key = row._meta.get_field(column).value_to_string(row)  # type: ignore[union-attr]  # a column, no relation
    content = json.dumps([key, str(row.pk)], ensure_ascii=False).encode()
    return base64.urlsafe_b64encode(_mac(ask, content) + content).rstrip(b"=").decode()


def _opened(ask: Ask, model: type[Model], column: str) -> tuple[Any, uuid.UUID]:
    cursor = ask.cursor or ""
    try:
        sealed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except ValueError as exc:
        raise _not_ours() from exc
    content = sealed[MAC_BYTES:]
    if not hmac.compare_digest(sealed[:MAC_BYTES], _mac(ask, content)):
        raise _not_ours()
    key, pk = json.loads(content)
    return model._meta.get_field(column).to_python(key), uuid.UUID(pk)  # type: ignore[union-attr]  # as above


def _mac(ask: Ask, content: bytes) -> bytes:
    """Bound to the list, its order and its filters, so that a cursor means one thing only."""
    filters = sorted((word, str(value)) for word, value in ask.filters.items())
    asked = json.dumps([ask.of, ask.sort, filters]).encode()
    return salted_hmac("core.pagination", asked + content, algorithm="sha256").digest()[:MAC_BYTES]


def _not_ours() -> InvalidInput:
    return InvalidInput("This cursor is not one that this list gave when it was asked like this.", field="cursor")
