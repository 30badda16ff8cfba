"""Hides the bytes of a Yjs update (format v1): which structs and deletions it holds. Pure; nothing is integrated.

update     = varUint clients, clients × (varUint structs, varUint client, varUint clock, structs × struct), deletions
struct     = info byte, body.  The lower five bits say what: 0 GC, 10 Skip (both: varUint length), else an item
item       = [0x80: left origin id] [0x40: right origin id]
             [neither: varUint 1, varString root name | varUint 0, parent id; with 0x20 also varString key] content
deletions  = varUint clients, clients × (varUint client, varUint ranges, ranges × (varUint clock, varUint length))

Stricter than the libraries, which differ in what they let pass: what is accepted here is read the same way by Yjs and
by yrs, and makes neither panic. A clock is 31 bits, for yrs counts in 32. A struct is never empty, a client's structs
stand together. Source: Yjs 13.6 encoding.js, UpdateDecoder.js and structs/; yrs 0.2x block.rs.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NoReturn, TypeAlias

from collab.errors import MalformedUpdate
from collab.protocol import write_uint

MAX_CLOCK = 2**31 - 1
MAX_CLIENT = 2**53 - 1
MAX_DEPTH = 64  # of a value inside a value

Ranges: TypeAlias = "list[tuple[int, int]]"  # [clock, end), as they stand in the update


@dataclass(slots=True)  # made for each update: a frozen one takes four times as long
class Contents:
    """By Yjs client: the clocks of its structs and of what is deleted of it. Gaps (Skip) are left out."""

    structs: dict[int, Ranges]
    deletions: dict[int, Ranges]
    deletions_at: int  # where they begin in the update


def read_update(data: bytes) -> Contents:
    """What `data` holds, all of it read. Raises: MalformedUpdate."""
    try:
        structs, deletions_at = _read_structs(data)
        deletions, at = _read_deletions(data, deletions_at)
    except IndexError as exc:
        raise MalformedUpdate("The update ends too early.") from exc
    if at != len(data):
        raise MalformedUpdate("Bytes follow the update.")
    return Contents(structs, deletions, deletions_at)


def write_deletions(ranges: Mapping[int, Iterable[tuple[int, int]]]) -> bytes:
    """The second half of an update, as Yjs orders it: the greatest client first."""
    parts = [write_uint(len(ranges))]
    for client in sorted(ranges, reverse=True):
        of_client = list(ranges[client])
        parts += (write_uint(client), write_uint(len(of_client)))
        for start, end in of_client:
            parts += (write_uint(start), write_uint(end - start))
    return b"".join(parts)


def _uint(data: bytes, at: int, most: int = MAX_CLIENT) -> tuple[int, int]:
    """The number at `at`, and where it ends. Raises: IndexError where the data ends; MalformedUpdate."""
    value = data[at]
    at += 1
    if value < 0x80:
        return value, at
    value &= 0x7F
    shift = 7
    while (byte := data[at]) >= 0x80:
        value |= (byte & 0x7F) << shift
        shift += 7
        at += 1
        if shift > 49:
            _fail("A number is longer than 53 bits.")
    value |= byte << shift
    if byte == 0 or value > most:
        _fail("A number is too large, or not in its shortest form.")
    return value, at + 1


def _read_structs(data: bytes) -> tuple[dict[int, Ranges], int]:
    found: dict[int, Ranges] = {}
    gaps = []  # clients of whom it holds nothing else
    clients, at = _uint(data, 0)
    for _ in range(clients):
        count, at = _uint(data, at)
        client, at = _uint(data, at)
        clock, at = _uint(data, at, MAX_CLOCK)
        if client in found or not count:
            _fail("A client's structs stand apart, or are none.")
        ranges = found[client] = []
        start = clock
        for _ in range(count):
            info = data[at]
            at += 1
            if info & 0x1F in (0, 10):
                if info not in (0, 10):
                    _fail("A struct without content has origins.")
                length, at = _uint(data, at, MAX_CLOCK)
            else:
                at = _skip_origin(data, at, info)
                length, at = _CONTENTS[info & 0x1F](data, at)
            if length == 0 or clock + length > MAX_CLOCK:
                _fail("A struct is empty, or its clock is too large.")
            if info == 10:
                if clock > start:
                    ranges.append((start, clock))
                start = clock + length
            clock += length
        if clock > start:
            ranges.append((start, clock))
        if not ranges:
            gaps.append(client)
    for client in gaps:
        del found[client]
    return found, at


def _skip_origin(data: bytes, at: int, info: int) -> int:
    """Where the content of an item begins."""
    if info & 0xC0:
        if info & 0x80:
            at = _skip_id(data, at)
        return _skip_id(data, at) if info & 0x40 else at
    named, at = _uint(data, at)
    if named > 1:
        _fail("A parent is neither a name nor an id.")
    at = _text(data, at)[1] if named else _skip_id(data, at)
    return _text(data, at)[1] if info & 0x20 else at


def _skip_id(data: bytes, at: int) -> int:
    _, at = _uint(data, at)
    return _uint(data, at, MAX_CLOCK)[1]


def _bytes(data: bytes, at: int) -> tuple[bytes, int]:
    length, at = _uint(data, at)
    end = at + length
    if end > len(data):
        raise IndexError
    return data[at:end], end


def _text(data: bytes, at: int) -> tuple[str, int]:
    body, at = _bytes(data, at)
    try:
        return body.decode(), at
    except UnicodeDecodeError as exc:
        raise MalformedUpdate("A text is not UTF-8.") from exc


# --- contents: each gives the length in clocks, and where it ends


def _deleted(data: bytes, at: int) -> tuple[int, int]:
    return _uint(data, at, MAX_CLOCK)


def _string(data: bytes, at: int) -> tuple[int, int]:
    text, at = _text(data, at)
    return (len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2), at


def _binary(data: bytes, at: int) -> tuple[int, int]:
    return 1, _bytes(data, at)[1]


def _embed(data: bytes, at: int) -> tuple[int, int]:
    text, at = _text(data, at)
    _check_json(text)
    return 1, at


def _format(data: bytes, at: int) -> tuple[int, int]:
    _, at = _text(data, at)
    return _embed(data, at)


def _type(data: bytes, at: int) -> tuple[int, int]:
    kind, at = _uint(data, at)
    if kind > 6 or kind == 5:  # array, map, text, XML element (named), fragment, (hook: yrs can't read it,) XML text
        _fail("There is no such shared type.")
    return 1, (_text(data, at)[1] if kind == 3 else at)


def _any(data: bytes, at: int) -> tuple[int, int]:
    count, at = _uint(data, at, MAX_CLOCK)
    for _ in range(count):
        at = _skip_value(data, at, MAX_DEPTH)
    return count, at


def _document(data: bytes, at: int) -> tuple[int, int]:
    _, at = _text(data, at)
    return 1, _skip_value(data, at, MAX_DEPTH)


def _nothing(data: bytes, at: int) -> tuple[int, int]:
    raise MalformedUpdate("There is no such content.")


_CONTENTS = [_nothing] * 32  # 2 is JSON, which Yjs has not written since version 13, and yrs can't read
_CONTENTS[1:10] = [_deleted, _nothing, _binary, _string, _embed, _format, _type, _any, _document]


def _skip_value(data: bytes, at: int, depth: int) -> int:
    """Where lib0's `any` at `at` ends. Source: lib0 encoding.js, writeAny."""
    kind = data[at]
    at += 1
    if kind in (127, 126, 121, 120):  # undefined, null, false, true
        return at
    if kind == 119:
        return _text(data, at)[1]
    if kind == 125:
        return _skip_int(data, at)
    if kind in (124, 123, 122):  # float32, float64, int64
        at += 4 if kind == 124 else 8
        if at > len(data):
            raise IndexError
        return at
    if kind == 116:
        return _bytes(data, at)[1]
    if kind not in (118, 117) or depth == 0:
        _fail("There is no such value, or it is too deep.")
    count, at = _uint(data, at)
    for _ in range(count):
        if kind == 118:
            _, at = _text(data, at)
        at = _skip_value(data, at, depth - 1)
    return at


def _skip_int(data: bytes, at: int) -> int:
    """lib0's varInt: the first byte has a sign, then six bits; 53 bits at most."""
    first = at
    while data[at] & 0x80:
        at += 1
        if at - first > 7:
            _fail("An integer is longer than 53 bits.")
    return at + 1


def _check_json(text: str) -> None:
    try:
        json.loads(text, parse_constant=_fail)
    except (ValueError, RecursionError) as exc:
        raise MalformedUpdate("A value is not JSON.") from exc


def _read_deletions(data: bytes, at: int) -> tuple[dict[int, Ranges], int]:
    found: dict[int, Ranges] = {}
    clients, at = _uint(data, at)
    for _ in range(clients):
        client, at = _uint(data, at)
        count, at = _uint(data, at)
        ranges = found.setdefault(client, [])
        for _ in range(count):
            clock, at = _uint(data, at, MAX_CLOCK)
            length, at = _uint(data, at, MAX_CLOCK)
            if length == 0 or clock + length > MAX_CLOCK:
                _fail("A deletion is empty, or its clock is too large.")
            ranges.append((clock, clock + length))
    return found, at


def _fail(why: str) -> NoReturn:
    raise MalformedUpdate(why)
