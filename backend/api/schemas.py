"""What all routers share: typed ids, pages, and the shape of a problem."""

from typing import Annotated, Generic, TypeVar

from ninja import Field, Schema
from pydantic import ConfigDict

from backend.core import ids

PersonId = ids.field("per")
WorkspaceId = ids.field("wsp")
ProjectId = ids.field("prj")
DocumentId = ids.field("doc")
UploadId = ids.field("upl")
AssetId = ids.field("ast")
JobId = ids.field("job")
BatchId = ids.field("bat")
RecipeId = ids.field("rcp")
ChargeId = ids.field("chg")
EditId = ids.field("edt")
TokenId = ids.field("tok")
SessionId = ids.field("ses")
InvitationId = ids.field("inv")

T = TypeVar("T")
Name = Annotated[
    str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$")
]
_HALF = r"[^@\s\x00-\x1f\x7f-\x9f]+"  # control characters are named, for \s is not the same everywhere
EmailAddress = Annotated[str, Field(max_length=254, pattern=rf"^{_HALF}@{_HALF}$", examples=["cy@example.org"])]


class Body(Schema):
    """A request body: unknown members are refused, for they are typing errors."""

    model_config = ConfigDict(extra="forbid")


class PageOf(Schema, Generic[T]):
    items: list[T]
    next_cursor: str | None = Field(None, description="Give it as `cursor` to get the next page; null on the last.")


class Problem(Schema):
    """RFC 9457 problem details. `code` is stable; decide by it."""

    type: str
    title: str
    status: int
    detail: str
    code: str
