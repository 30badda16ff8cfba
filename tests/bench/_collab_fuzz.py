"""Counts what breaks under a million mutated frames, and under random histories over links that cut and reorder.

Everything is drawn from the number of the frame or of the history, which a failure shows.
"""

import random
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psutil
import pycrdt

from backend.core.errors import AppError
from collab.presence import Presences, User
from collab.protocol import (
    EMPTY_UPDATE,
    Awareness,
    Presence,
    QueryAwareness,
    SyncStep1,
    SyncStep2,
    SyncUpdate,
    decode,
    encode,
)
from collab.room import Room, build, merge, pack
from collab.updates import read_update
from tests.bench._collab_servers import Backing, Row

FRAMES, HISTORIES = 1_000_000, 100_000
FRAMES_OF_A_ROOM = 1000
LEAK_MB = 20.0
ME = User("per_x", "Ada", "#d9480f")


def fuzz(backing: Backing, core: int, *, quick: bool) -> list[Row]:
    frames, histories = (FRAMES // 20, HISTORIES // 20) if quick else (FRAMES, HISTORIES)
    process = psutil.Process()
    _count(mutated, range(2 * FRAMES_OF_A_ROOM // 1000))  # what is made once
    before = process.memory_info().rss
    broken = _count(mutated, range(frames // FRAMES_OF_A_ROOM))
    grown = (process.memory_info().rss - before) / 1e6
    diverged = _count(history, range(histories))
    return [
        Row(f"fuzz: what {frames:,} mutated frames broke", broken, "", 0),
        Row("fuzz: what the process grew by meanwhile", grown, "MB", LEAK_MB),
        Row(f"fuzz: of {histories:,} histories, diverged or broken", diverged, "", 0),
    ]


def _count(play: Callable[[int], None], numbers: range) -> int:
    broken = 0
    for number in numbers:
        try:
            play(number)
        except Exception as exc:  # noqa: BLE001 - that is what is counted
            broken += 1
            print(f"  fuzz: {play.__name__} {number}: {exc!r}", file=sys.stderr)
    return broken


# --- frames


def mutated(number: int) -> None:
    """FRAMES_OF_A_ROOM frames for one document, which afterwards still packs, tells what it holds and takes an edit."""
    draw = random.Random(number)
    updates = _edits(draw, count=12)
    room, presences = Room(updates=updates[:8]), Presences[int]()
    corpus = [encode(SyncUpdate(update)) for update in updates]
    corpus += [encode(SyncStep2(merge(updates)[0])), encode(SyncStep1(room.state_vector())), encode(QueryAwareness())]
    corpus += [encode(Awareness((Presence(draw.getrandbits(32), draw.getrandbits(20), '{"a": [1, "é"]}'),)))]
    for _ in range(FRAMES_OF_A_ROOM):
        with suppress(AppError):
            _receive(room, presences, decode(_mutate(draw, draw.choice(corpus))), draw)
    room.thaw(pack(room.freeze()))
    news = _edits(draw, count=1)[0]
    room.apply(news)
    build(room.snapshot())
    assert all(room.apply(update) == EMPTY_UPDATE for update in (*updates[:8], news))


def _receive(room: Room, presences: Presences[int], message: Any, draw: random.Random) -> None:
    match message:
        case SyncUpdate(update) | SyncStep2(update):
            room.apply(bytes(update))
        case SyncStep1(state_vector):
            room.diff(state_vector).updates()
        case Awareness(entries):
            presences.hear(draw.randrange(3), ME, entries, 0.0)
            presences.here()


def _mutate(draw: random.Random, frame: bytes) -> bytes:
    data = bytearray(frame)
    for _ in range(draw.choice((1, 1, 2, 5))):
        at = draw.randrange(len(data) + 1)
        match draw.randrange(6):
            case 0 if data:
                data[at - 1] ^= 1 << draw.randrange(8)
            case 1 if data:
                data[at - 1] = draw.choice((0, 1, 0x7F, 0x80, 0xFF))
            case 2:
                del data[at:]
            case 3:
                data[at:at] = draw.choice((b"\xff" * 9, b"\x80\x00", b"\xff\xff\xff\xff\x0f", b"\x00"))
            case 4:
                data[at:at] = data[max(0, at - draw.randrange(1, 9)) : at]
            case _:
                del data[at : at + draw.randrange(1, 5)]
    return bytes(data)


def _edits(draw: random.Random, *, count: int) -> list[bytes]:
    doc: pycrdt.Doc[Any] = pycrdt.Doc(client_id=draw.getrandbits(32))
    updates: list[bytes] = []
    doc.observe(lambda event: updates.append(event.update))
    while len(updates) < count:
        _edit(doc, draw)
    return updates[:count]


def _edit(doc: "pycrdt.Doc[Any]", draw: random.Random) -> None:
    text, entries = doc.get("text", type=pycrdt.Text), doc.get("entries", type=pycrdt.Map)
    size = len(text)
    match draw.randrange(5):
        case 0 | 1:
            text.insert(draw.randint(0, size), draw.choice(("a", "bc", "x" * 40)))
        case 2 if size:
            at = draw.randrange(size)
            del text[at : min(size, at + draw.randint(1, 5))]
        case 3:
            entries[str(draw.randrange(4))] = draw.choice((1, "two", None, [3, {"four": 5.5}]))
        case _:
            entries[str(draw.randrange(4))] = pycrdt.Map({"x": draw.randrange(9)})


# --- histories


def history(number: int) -> None:
    """Two to five people on one or two servers. Links lose, repeat and reorder; then each tells each what they lack."""
    draw = random.Random(number)
    rooms = [Room() for _ in range(draw.randint(1, 2))]
    people = [Replica(draw, draw.choice(rooms)) for _ in range(draw.randint(2, 5))]
    between: list[tuple[Room, bytes]] = []
    for _ in range(draw.randint(5, 25)):
        person = draw.choice(people)
        match draw.randrange(6):
            case 0:
                person.hear(draw)
            case 1:
                draw.shuffle(between)
                arrived = between[: draw.randrange(len(between) + 1)]
                for room in rooms:
                    some = [update for to, update in arrived if to is room]
                    for update in merge(some, list(map(read_update, some))) if draw.random() < 0.5 else some:
                        room.apply(update)
            case 2 if draw.random() < 0.5:
                room = draw.choice(rooms)
                room.thaw(pack(room.freeze()))
            case 3 if draw.random() < 0.3:
                person.move(draw.choice(rooms))
            case _:
                news = person.write(draw)
                between += [(room, news) for room in rooms if room is not person.room for _ in range(draw.randrange(3))]
    for _ in range(2):  # everybody comes back, then anti-entropy
        for person in people:
            person.sync()
        for room in rooms:
            for other in rooms:
                for lacking in other.diff(room.state_vector()).updates():
                    room.apply(bytes(lacking))
    for person in people:
        person.sync()
    shown = [(person.text(), person.entries()) for person in people]
    assert all(one == shown[0] for one in shown), shown
    assert all(room.deleted == rooms[0].deleted and not room.lacks(rooms[0].state_vector()) for room in rooms)


class Replica:
    """Somebody's client, and the server that they are on."""

    def __init__(self, draw: random.Random, room: Room) -> None:
        self.room = room
        self._doc: pycrdt.Doc[Any] = pycrdt.Doc(client_id=draw.getrandbits(32))
        self._written: list[bytes] = []
        self._doc.observe(lambda event: self._written.append(event.update))

    def write(self, draw: random.Random) -> bytes:
        """Edit; the update mostly comes to the server. It, as a server would pass it on."""
        self._written.clear()
        _edit(self._doc, draw)
        news = merge([*self._written, EMPTY_UPDATE])[0]
        return self.room.apply(news) if draw.random() < 0.8 else EMPTY_UPDATE

    def hear(self, draw: random.Random) -> None:
        """What the server would bring, or a part of it."""
        updates = self.room.diff(self._doc.get_state()).updates()
        for update in updates[: draw.randint(1, len(updates))]:
            self._doc.apply_update(bytes(update))

    def move(self, room: Room) -> None:
        self.room = room
        if room.state_vector() != b"\x00":
            self.sync()

    def sync(self) -> None:
        """Both steps, both ways."""
        self.room.apply(self._doc.get_update(self.room.state_vector()))
        for update in self.room.diff(self._doc.get_state()).updates():
            self._doc.apply_update(bytes(update))

    def text(self) -> str:
        return str(self._doc.get("text", type=pycrdt.Text))

    def entries(self) -> Any:
        return self._doc.get("entries", type=pycrdt.Map).to_py()
