"""What lists can be asked: `limit`, `cursor`, `sort` and filters, named alike everywhere; anything else is refused.

@router.get("/projects/{project_id}/things", …)
def list_things(request: Request, project_id: ProjectId, query: Query[ThingQuery]) -> HttpResponse:
    return shown(queries.things_in(project, query.ask(request)), queries.present)
"""

import json
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar

from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from ninja import Field
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    StringConstraints,
    ValidationInfo,
    model_validator,
)

from backend.api.schemas import PersonId
from backend.core.errors import InvalidInput
from backend.core.pagination import DEFAULT_LIMIT, MAX_LIMIT, Ask, Page

M = TypeVar("M", bound=Model)

Word = Annotated[str, StringConstraints(max_length=100, pattern=r"^[^\x00]+$")]
Search = Annotated[
    Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00]*$")],
    Field(description="What the name must hold, anywhere, without regard to case and accents. No sign is special."),
]


def _in_words(value: object) -> object:
    if isinstance(value, str) and not re.match(r"\d{4}-\d\d-\d\d[Tt ]", value):
        raise ValueError("a time is written as 2026-11-25T08:00:00Z")  # a bare number would be seconds since 1970
    return value


def _in_utc(at: datetime) -> datetime:
    """PostgreSQL knows no zone that is 16 hours away or more, as RFC 3339 does. What leaves the calendar is its end."""
    try:
        return at.astimezone(UTC)
    except OverflowError:
        return (datetime.min if at.year == 1 else datetime.max).replace(tzinfo=UTC)


Moment = Annotated[AwareDatetime, BeforeValidator(_in_words), AfterValidator(_in_utc)]
ByTime = Literal["created_at", "-created_at"]
ByTimeOrName = ByTime | Literal["name", "-name"]


class ListQuery(BaseModel):
    """Subclasses tell the words of `sort` and add filters: each other field is one, which the list's room knows."""

    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT, description="How many at most.")] = DEFAULT_LIMIT
    cursor: Annotated[
        str | None,
        Field(max_length=10_000, description="`next_cursor` of the page before, asked with the same sort and filters."),
    ] = None
    sort: str = "-created_at"

    @model_validator(mode="before")
    @classmethod
    def _refuse_others(cls, data: Any, info: ValidationInfo) -> Any:
        """A misspelt filter would show everything, and of two values one would be dropped in silence."""
        request: HttpRequest = (info.context or {})["request"]
        for name, values in request.GET.lists():
            if name not in cls.model_fields:
                raise InvalidInput(f"{name[:40]}: this list has no such parameter.", field=name[:40])
            if len(values) > 1:
                raise InvalidInput(f"{name}: give it once.", field=name)
        return data

    def ask(self, request: HttpRequest) -> Ask:
        filters = {
            name: value
            for name in type(self).model_fields
            if name not in ("limit", "cursor", "sort") and (value := getattr(self, name)) is not None
        }
        return Ask(of=request.path, limit=self.limit, cursor=self.cursor, sort=self.sort, filters=filters)


class CreatedQuery(ListQuery):
    created_after: Annotated[Moment | None, Field(description="Later than this, which has a zone.")] = None
    created_before: Annotated[Moment | None, Field(description="Earlier than this.")] = None
    created_by: PersonId | None = None


def shown(found: Page[M], present: Callable[[M], dict[str, Any]]) -> HttpResponse:
    """The page as JSON. Ninja would check each item against its schema again, which took half of a request's time.

    What `present` makes is held against the schema by the tests: each answer in each of them.
    """
    return shown_together(found, lambda rows: [present(row) for row in rows])


def shown_together(found: Page[M], present: Callable[[Sequence[M]], list[dict[str, Any]]]) -> HttpResponse:
    """The same, where all rows are read together that belong to those of the page."""
    body = {"items": present(found.items), "next_cursor": found.next_cursor}
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return HttpResponse(text, content_type="application/json; charset=utf-8")
