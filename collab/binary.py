"""Hides PostgreSQL's binary form of what is sent and read past psycopg. Source: array_recv and array_send."""

import struct
from collections.abc import Sequence
from uuid import UUID

UUID_OID, BYTEA_OID, INT8_OID = 2950, 17, 20
_NULL = b"\xff" * 4


def number(value: bytes | None) -> int:
    return int.from_bytes(value or b"")


def uuid(value: bytes | None) -> UUID | None:
    return UUID(bytes=value) if value is not None else None


def arrays(types: Sequence[int], rows: Sequence[Sequence[bytes | None]]) -> list[bytes]:
    """One for each column."""
    return [array(oid, column) for oid, column in zip(types, zip(*rows, strict=True), strict=True)]


def array(oid: int, values: Sequence[bytes | None]) -> bytes:
    """PostgreSQL's binary form of one: dimensions, NULLs (it does not look), type; length and lower bound."""
    if not values:
        return struct.pack("!iii", 0, 0, oid)
    with_lengths = [_NULL if value is None else len(value).to_bytes(4) + value for value in values]
    return struct.pack("!iiIii", 1, 1, oid, len(values), 1) + b"".join(with_lengths)
