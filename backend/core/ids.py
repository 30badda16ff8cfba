"""Hides how ids are made and shown: UUIDv7 in the database, typed text (`prj_01h…`) outside.

Source: RFC 9562, section 5.7 (UUIDv7); TypeID specification 0.3 (prefix and Crockford base32).
"""

import uuid
from typing import Annotated, Any

import uuid_utils
from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema
from typeid import TypeID
from typeid.codecs import base32
from typeid.errors import TypeIDException

from backend.core.errors import InvalidId

PREFIXES = {
    "per": "person",
    "wsp": "workspace",
    "prj": "project",
    "doc": "document",
    "upl": "upload",
    "ast": "asset",
    "job": "job",
    "bat": "batch",
    "rcp": "recipe",
    "chg": "charge",
    "edt": "edit",
    "evt": "event",
    "mbr": "membership",
    "tok": "token",
    "ses": "session",
    "inv": "invitation",
}


def new_id() -> uuid.UUID:
    """A UUIDv7: unique, and in the order of its making to the millisecond."""
    return uuid.UUID(int=uuid_utils.uuid7().int)


def made_at(value: uuid.UUID) -> float:
    """When a UUIDv7 was made, in seconds since 1970."""
    return (value.int >> 80) / 1000


def show(prefix: str, value: uuid.UUID) -> str:
    return f"{prefix}_{base32.encode(value.bytes)}"  # what str(TypeID) gives, eight times as fast


def parse(prefix: str, text: str) -> uuid.UUID:
    """The id that `text` shows.

    Raises:
        InvalidId: malformed, or an id of another kind.
    """
    try:
        shown = TypeID.from_string(text)
        value = uuid.UUID(int=shown.uuid.int)
    except (TypeIDException, ValueError, TypeError, AttributeError) as exc:
        raise InvalidId(f"This is not the id of a {PREFIXES[prefix]}.") from exc
    if shown.prefix != prefix:
        raise InvalidId(f"This is not the id of a {PREFIXES[prefix]}.")
    return value


def field(prefix: str) -> Any:
    """An annotated UUID for schemas and paths: typed text outside, UUID inside."""

    def read(value: object) -> uuid.UUID:
        return value if isinstance(value, uuid.UUID) else parse(prefix, str(value))

    return Annotated[
        uuid.UUID,
        BeforeValidator(read),
        PlainSerializer(lambda value: show(prefix, value), return_type=str),
        WithJsonSchema({"type": "string", "pattern": f"^{prefix}_[0-7][0-9a-hjkmnp-tv-z]{{25}}$"}),
    ]
