"""Hides who is here: the awareness states of one document, whose names cannot be forged. Pure.

A seat (one socket) owns the one client id that it first speaks for. What it says about other ids is dropped: stock
clients repeat to the server what they hear about others. `user` in a state is overwritten from the seat's grant.

Clocks: receivers ignore a state whose clock is not above the last one seen. A client that comes back after its removal
was told sends its old clock again and would stay invisible for up to 15 s; so a state is passed on with a clock that
is above the one told last.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from collab.errors import ProtocolError
from collab.protocol import Awareness, Presence

REMOTE_TIMEOUT_S = 30.0  # y-protocols: a client that is silent for 30 s is gone; clients speak every 15 s
FORGET_S = 300.0  # how long the clock of one who left is remembered
MAX_STATE_CHARS = 16 * 1024
MAX_KNOWN = 10_000  # clients remembered in one room, present or left: memory is bounded against made-up ids


@dataclass(slots=True)
class User:
    """What others see of the person: the server's knowledge, never the client's."""

    person: str
    name: str
    colour: str

    def fields(self) -> dict[str, str]:
        return {"id": self.person, "name": self.name, "color": self.colour}


S = TypeVar("S")  # a seat


@dataclass(slots=True)
class _Known(Generic[S]):
    clock: int
    state: str
    owner: S | None  # the seat here; None: told by another process
    person: str
    heard_at: float


@dataclass(slots=True)
class Presences(Generic[S]):
    known: dict[int, _Known[S]] = field(default_factory=dict)
    changed: set[int] = field(default_factory=set)
    owned: dict[S, int] = field(default_factory=dict)
    lifted: set[int] = field(default_factory=set)  # told with a clock above the one that the client gave

    def hear(self, seat: S, user: User, entries: Iterable[Presence], now: float) -> None:
        """Take what `seat` says of itself; drop what it says of others. Raises: ProtocolError."""
        for entry in entries:
            if self._claims(seat, user, entry):
                self._take(seat, user, entry, now)

    def _claims(self, seat: S, user: User, entry: Presence) -> bool:
        mine = self.owned.get(seat)
        if mine is not None:
            return mine == entry.client_id
        known = self.known.get(entry.client_id)
        if known is None:
            if len(self.known) >= MAX_KNOWN or entry.state == "null":
                return False
        elif known.state != "null" and (known.person != user.person or entry.clock <= known.clock):
            return False  # another's, or a repetition of what the person's other socket said
        elif known.owner is not None:
            self.owned.pop(known.owner, None)  # the same person again: the old socket is half dead
        self.owned[seat] = entry.client_id
        return True

    def _take(self, seat: S, user: User, entry: Presence, now: float) -> None:
        state = _signed(entry.state, user)
        known = self.known.get(entry.client_id)
        clock = entry.clock if known is None else max(entry.clock, known.clock + (known.state != state))
        if clock > entry.clock:
            self.lifted.add(entry.client_id)
        else:
            self.lifted.discard(entry.client_id)
        self.known[entry.client_id] = _Known(clock, state, seat, user.person, now)
        self.changed.add(entry.client_id)

    def hear_peer(self, entries: Iterable[Presence], now: float) -> list[int]:
        """Take what another process says of its own clients; the ids whose state that changed."""
        news = []
        for entry in entries:
            known = self.known.get(entry.client_id)
            newer = known is None or entry.clock > known.clock
            left = known is not None and entry.clock == known.clock and entry.state == "null" != known.state
            if known is not None and not newer and not left:
                if known.owner is None:
                    known.heard_at = now
                continue
            if known is None and len(self.known) >= MAX_KNOWN:
                continue
            if known is not None and known.owner is not None:
                self.owned.pop(known.owner, None)  # it has moved to the other process
            self.known[entry.client_id] = _Known(entry.clock, entry.state, None, _person(entry.state), now)
            news.append(entry.client_id)
        return news

    def leave(self, seat: S) -> None:
        """The seat's socket is gone: so is its client."""
        client_id = self.owned.pop(seat, None)
        known = self.known.get(client_id) if client_id is not None else None
        if known is not None and known.owner is seat:
            known.owner = None
            if known.state != "null":
                known.state = "null"
                self.changed.add(client_id)  # type: ignore[arg-type]  # known, so there is an id

    def expire(self, now: float) -> list[int]:
        """Count who fell silent as gone: the ids of other processes' clients; our own are among the changed."""
        gone = []
        for client_id, known in list(self.known.items()):
            if known.state != "null" and now - known.heard_at > REMOTE_TIMEOUT_S:
                known.state, known.heard_at = "null", now
                if known.owner is None:
                    gone.append(client_id)
                else:
                    self.changed.add(client_id)  # its socket may be open still, and its tab asleep
            elif known.state == "null" and known.owner is None and now - known.heard_at > FORGET_S:
                del self.known[client_id]
                self.lifted.discard(client_id)
        return gone

    def owner(self, client_id: int) -> S | None:
        """The seat here that speaks for the client."""
        known = self.known.get(client_id)
        return known.owner if known is not None else None

    def take_changed(self) -> list[int]:
        """The ids of this process's clients that changed since the last call."""
        changed, self.changed = sorted(self.changed), set()
        return changed

    def about(self, client_ids: Iterable[int]) -> Awareness:
        return Awareness(
            tuple(Presence(c, self.known[c].clock, self.known[c].state) for c in client_ids if c in self.known)
        )

    def here(self, *, own: bool = False) -> Awareness:
        """Everybody present; with `own`, only the clients of this process."""
        return self.about(c for c, k in self.known.items() if k.state != "null" and (k.owner is not None or not own))


def _signed(state: str, user: User) -> str:
    if len(state) > MAX_STATE_CHARS:
        raise ProtocolError("An awareness state is larger than the limit.")
    try:
        value = json.loads(state)
    except (ValueError, RecursionError) as exc:
        raise ProtocolError("An awareness state is not JSON.") from exc
    if value is None:
        return "null"
    if not isinstance(value, dict):
        raise ProtocolError("An awareness state is not an object.")
    return json.dumps({**value, "user": user.fields()}, separators=(",", ":"))


def _person(state: str) -> str:
    value = json.loads(state)
    return str(value["user"]["id"]) if value else ""
