"""Hides the bytes of y-websocket's frames: pure functions between frames and messages.

frame      = varUint type, body
0 sync     = varUint 0 (step 1) state vector | 1 (step 2) update | 2 (update) update; each a varBytes
1 awareness= varBytes of: varUint count, count x (varUint client, varUint clock, varString JSON state or "null")
2 auth     = varUint 0 (permission denied), varString reason
3 query awareness
8 status   = varUint n: how many data frames of this socket are committed (ours; only with `?status=1`)

Every number has a limit: a varUint is at most 53 bits (JavaScript's integers), in its shortest form; a length never
exceeds what is left of the frame; nothing follows a message. Source: y-protocols 1.0.6, lib0 0.2 encoding.js.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from collab.errors import ProtocolError
from collab.parts import Bytes

SYNC, AWARENESS, AUTH, QUERY_AWARENESS, STATUS = 0, 1, 2, 3, 8
STEP_1, STEP_2, UPDATE = 0, 1, 2
MAX_UINT = 2**53 - 1
MAX_PRESENCES = 1024  # entries in one awareness frame; the browser of a room of a thousand sends no more
EMPTY_UPDATE = b"\x00\x00"  # no structs, no deletions
_UPDATE = bytes((SYNC, UPDATE))


@dataclass(frozen=True, slots=True)
class SyncStep1:
    """Asks for what the state vector lacks."""

    state_vector: bytes


@dataclass(frozen=True, slots=True)
class SyncStep2:
    """Answers a step 1."""

    update: bytes


@dataclass(slots=True)  # made for each update: a frozen one takes four times as long
class SyncUpdate:
    """A change as it happens."""

    update: bytes


@dataclass(frozen=True, slots=True)
class Presence:
    """One client's awareness: `state` is JSON text, "null" when it has left."""

    client_id: int
    clock: int
    state: str


@dataclass(frozen=True, slots=True)
class Awareness:
    entries: tuple[Presence, ...]


@dataclass(frozen=True, slots=True)
class QueryAwareness:
    """Asks for everybody's awareness."""


@dataclass(frozen=True, slots=True)
class Denied:
    """What the client sent was refused."""

    reason: str


@dataclass(slots=True)  # made for each update: a frozen one takes four times as long
class Status:
    """How many data frames (step 2, update) of this socket are committed."""

    committed: int


Message: TypeAlias = SyncStep1 | SyncStep2 | SyncUpdate | Awareness | QueryAwareness | Denied | Status


def write_uint(value: int) -> bytes:
    if not 0 <= value <= MAX_UINT:
        raise ProtocolError(f"{value} is no varUint.")
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def write_bytes(value: Bytes) -> bytes:
    return write_uint(len(value)) + value


def read_uint(data: bytes, at: int) -> tuple[int, int]:
    """The number at `at`, and where it ends.

    Raises:
        ProtocolError: cut off, longer than 53 bits, or not in its shortest form.
    """
    value = shift = 0
    start = at
    while True:
        if at >= len(data):
            raise ProtocolError("The frame ends inside a number.")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
        if shift > 49:
            raise ProtocolError("A number is longer than 53 bits.")
    if value > MAX_UINT:
        raise ProtocolError("A number is longer than 53 bits.")
    if byte == 0 and at - start > 1:
        raise ProtocolError("A number is not in its shortest form.")
    return value, at


def read_bytes(data: bytes, at: int) -> tuple[bytes, int]:
    length, at = read_uint(data, at)
    if length > len(data) - at:
        raise ProtocolError("A length goes beyond the frame.")
    return data[at : at + length], at + length


def decode(frame: bytes) -> Message:
    """The one message in `frame`. Raises: ProtocolError."""
    if frame[:2] == _UPDATE and len(frame) > 2 and 3 + frame[2] == len(frame) < 131:
        return SyncUpdate(frame[3:])  # what comes most: somebody writes
    kind, at = read_uint(frame, 0)
    message: Message
    if kind == SYNC:
        message, at = _read_sync(frame, at)
    elif kind == AWARENESS:
        body, at = read_bytes(frame, at)
        message = Awareness(read_presences(body))
    elif kind == QUERY_AWARENESS:
        message = QueryAwareness()
    elif kind == AUTH:
        message, at = _read_denied(frame, at)
    elif kind == STATUS:
        committed, at = read_uint(frame, at)
        message = Status(committed)
    else:
        raise ProtocolError(f"There is no message type {kind}.")
    if at != len(frame):
        raise ProtocolError("Bytes follow the message.")
    return message


def _read_sync(frame: bytes, at: int) -> tuple[Message, int]:
    step, at = read_uint(frame, at)
    body, at = read_bytes(frame, at)
    if step == UPDATE:
        return SyncUpdate(body), at
    if step == STEP_2:
        return SyncStep2(body), at
    if step == STEP_1:
        read_state_vector(body)
        return SyncStep1(body), at
    raise ProtocolError(f"There is no sync step {step}.")


def _read_denied(frame: bytes, at: int) -> tuple[Message, int]:
    kind, at = read_uint(frame, at)
    if kind != 0:
        raise ProtocolError(f"There is no auth message {kind}.")
    reason, at = read_bytes(frame, at)
    return Denied(_text(reason)), at


def read_state_vector(body: bytes) -> dict[int, int]:
    """Client → clock. Raises: ProtocolError."""
    count, at = read_uint(body, 0)
    if count > len(body) // 2:
        raise ProtocolError("A state vector is shorter than it says.")
    clocks: dict[int, int] = {}
    for _ in range(count):
        client, at = read_uint(body, at)
        clocks[client], at = read_uint(body, at)
    if at != len(body):
        raise ProtocolError("Bytes follow the state vector.")
    return clocks


def read_presences(body: bytes) -> tuple[Presence, ...]:
    count, at = read_uint(body, 0)
    if count > MAX_PRESENCES:
        raise ProtocolError("Too many clients in one awareness frame.")
    entries = []
    for _ in range(count):
        client, at = read_uint(body, at)
        clock, at = read_uint(body, at)
        state, at = read_bytes(body, at)
        entries.append(Presence(client, clock, _text(state)))
    if at != len(body):
        raise ProtocolError("Bytes follow the awareness.")
    return tuple(entries)


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as exc:
        raise ProtocolError("A text is not UTF-8.") from exc


def write_presences(entries: Iterable[Presence]) -> bytes:
    entries = tuple(entries)
    parts = [write_uint(len(entries))]
    for entry in entries:
        parts += (write_uint(entry.client_id), write_uint(entry.clock), write_bytes(entry.state.encode()))
    return b"".join(parts)


def encode(message: Message) -> bytes:
    match message:
        case SyncUpdate(update):
            return b"\x00\x02" + write_bytes(update)
        case SyncStep2(update):
            return b"\x00\x01" + write_bytes(update)
        case SyncStep1(state_vector):
            return b"\x00\x00" + write_bytes(state_vector)
        case Awareness(entries):
            return b"\x01" + write_bytes(write_presences(entries))
        case QueryAwareness():
            return b"\x03"
        case Denied(reason):
            return b"\x02\x00" + write_bytes(reason.encode())
        case Status(committed):
            return b"\x08" + write_uint(committed)


# y-websocket's client hangs up after 30 s without a message from the server: an awareness frame of nobody keeps it.
KEEP_ALIVE = encode(Awareness(()))
