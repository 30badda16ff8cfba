"""Hides the protocol of `@hocuspocus/provider` 3 and 4: several documents on one socket, each with its own sign-in.

frame      = varString key, varUint type, body; key: the document's id, or its id, NUL and the provider's session
0 sync, 1 awareness, 3 query awareness: as y-websocket's
2 auth     = 0 varString token, varString version (client), 0 (server: send your token again),
             1 varString reason (server: refused), 2 varString "read-write" | "readonly" (server: welcome)
4 sync     as 0, of a peer that asks for no step 1 in return
5 stateless= varString
7 close    = varString reason: of this document
8 status   = varUint 1 (one data frame more is saved) | 0 (it was refused)
a frame of the one byte 10 answers a ping of the socket

Each data frame is answered by one status, which the provider counts on: ours comes after the commit. A step 1 of the
client is answered by a step 2 and one step 1, whose answer is such a frame. Source: @hocuspocus/provider 3.4 and 4.8.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Literal
from weakref import WeakValueDictionary

from django.conf import settings

from backend.core import ids
from backend.core.errors import AppError, Forbidden, NotFound, NotSignedIn
from backend.core.websocket import DirectWebSocket, Framing
from collab.doors import credential_of, sign_in
from collab.errors import AccessLost, ProtocolError, StaleEpoch, TooManyConnections, TooManyDocuments
from collab.hub import Hub
from collab.live import LiveDocument
from collab.outlet import FramedOutlet, fail
from collab.ports import Credential, Grant
from collab.protocol import (
    AUTH,
    STATUS,
    SyncStep1,
    decode,
    read_bytes,
    read_uint,
    write_bytes,
    write_uint,
)
from collab.seats import Seat

SYNC_REPLY, STATELESS, CLOSE, PONG = 4, 5, 7, b"\x0a"
TOKEN, REFUSED, WELCOME = 0, 1, 2
SEPARATOR = "\0"
TOKEN_PREFIX = "atl_"  # noqa: S105 - of an API token; any other is a ticket
QUEUED_BYTES, QUEUED_FRAMES = 1024 * 1024, 1000  # of one socket, for documents whose sign-in has not ended
MAX_KEY_BYTES, MAX_STATELESS_BYTES = 256, 64 * 1024
# What ends one document and leaves the socket to the others.
_OF_ONE_DOCUMENT = (Forbidden, NotFound, NotSignedIn, StaleEpoch, TooManyConnections)


class Session(FramedOutlet):
    """One document on a socket: the outlet of its seat."""

    def __init__(self, documents: "Multiplex", key: str) -> None:
        super().__init__(documents.socket, _framing(key))
        self._documents, self.key = documents, key
        name = key.partition(SEPARATOR)[0]
        self._name, _, self._epoch = name.partition("@")
        self._queue: deque[bytes] = deque()  # what came before the sign-in ended
        self._token: str | None = None  # shown, and not looked at yet
        self._signing_in: asyncio.Task[None] | None = None
        self._seated: tuple[LiveDocument, Seat] | None = None
        self._is_ready = False  # seated, and all that was queued is done
        self._has_left = False
        self._acknowledged = 0

    # --- what the client sends

    def read(self, body: bytes) -> Coroutine[Any, Any, None] | None:
        """Act on one message; what takes longer is given back. Raises: AppError."""
        kind, at = read_uint(body, 0)
        if kind == AUTH:
            self._authenticate(body, at)
        elif kind == CLOSE:
            self.end("provider_initiated")
        elif self._is_ready:
            return self._act(body)
        else:
            self._documents.queue(self._queue, body)
        return None

    def _act(self, body: bytes) -> Coroutine[Any, Any, None] | None:
        if self._seated is None:
            return None
        document, seat = self._seated
        kind, at = read_uint(body, 0)
        if kind == STATELESS:
            text, end = read_bytes(body, at)
            if len(text) > MAX_STATELESS_BYTES or end != len(body):
                raise ProtocolError("A stateless message is too long.")
            document.pass_on(seat, text)
            return None
        message = decode(b"\x00" + body[at:] if kind == SYNC_REPLY else body)
        heavy = document.receive(seat, message)
        if isinstance(message, SyncStep1) and kind != SYNC_REPLY:
            document.ask(seat)  # a step 1 may go before the step 2 that takes longer
        return heavy

    # --- who it is

    def _authenticate(self, body: bytes, at: int) -> None:
        kind, at = read_uint(body, at)
        if kind != TOKEN:
            raise ProtocolError("Only the server says this.")
        self._token = _text(read_bytes(body, at)[0])
        if self._signing_in is None or self._signing_in.done():
            self._signing_in = asyncio.create_task(self._sign_in())

    async def _sign_in(self) -> None:
        """With the token shown last; one that comes while another is looked at is looked at next."""
        try:
            while (token := self._token) is not None and not self._has_left:
                self._token = None
                if self._seated is None:
                    await self._enter(token)
                else:
                    await self._show_newer(token, self._seated[1])
        except Exception as exc:  # noqa: BLE001 - of this document alone
            fail(self.close, exc)

    async def _enter(self, token: str) -> None:
        grant = await self._granted(token)
        self._seated = await self._documents.hub.join(grant, self, wants_status=True, hears_stateless=True)
        if self._has_left:  # asgiref may swallow a cancellation
            self.leave()
            return
        self._welcome(grant)
        while self._queue:
            if (heavy := self._act(self._documents.unqueue(self._queue))) is not None:
                await heavy
        self._is_ready = True

    async def _show_newer(self, token: str, seat: Seat) -> None:
        grant = await self._granted(token)
        if grant.person_id != seat.grant.person_id:
            raise AccessLost
        self._documents.hub.renew(seat, grant)
        self._welcome(grant)

    async def _granted(self, token: str) -> Grant:
        kind: Literal["token", "ticket"] = "token" if token.startswith(TOKEN_PREFIX) else "ticket"
        credential = Credential(kind, token) if token else credential_of(self._documents.scope)
        grant = await sign_in(self._documents.hub, credential, ids.parse("doc", self._name))
        if self._epoch not in ("", str(grant.epoch)):
            raise StaleEpoch
        return grant

    def _welcome(self, grant: Grant) -> None:
        scope = b"read-write" if grant.mode == "write" else b"readonly"
        self.say(write_uint(AUTH) + write_uint(WELCOME) + write_bytes(scope))

    # --- what it is sent

    def send(self, frame: bytes) -> None:
        """A frame of y-websocket's: most are the same here."""
        kind = frame[0]
        if kind == STATUS:
            saved, _ = read_uint(frame, 1)
            for _ in range(saved - self._acknowledged):
                self.say(_SAVED)
            self._acknowledged = saved
        elif kind == AUTH:
            self.say(_NOT_SAVED)
        else:
            self.say(frame)

    def close(self, error: AppError) -> None:
        """End this document on the socket, or the socket where the error is no matter of the document."""
        if not isinstance(error, _OF_ONE_DOCUMENT):
            self._documents.close(error)
        elif self._seated is None:
            self.say(write_uint(AUTH) + write_uint(REFUSED) + write_bytes(error.code.encode()))
            self.leave()
            self._documents.forget(self)
        else:
            self.end(error.code)

    def end(self, reason: str) -> None:
        self.say(write_uint(CLOSE) + write_bytes(reason.encode()))
        self.leave()
        self._documents.forget(self)

    def leave(self) -> None:
        self._has_left = True
        if self._signing_in is not None and self._signing_in is not asyncio.current_task():
            self._signing_in.cancel()
        self._documents.unqueue_all(self._queue)
        if self._seated is not None:
            document, seat = self._seated
            self._documents.hub.leave(document, seat)
        self._seated = None


class Multiplex:
    """One socket: hands each frame to its document."""

    def __init__(
        self, hub: Hub, scope: dict[str, Any], socket: DirectWebSocket, close: Callable[[AppError], None]
    ) -> None:
        self.hub, self.scope, self.close = hub, scope, close
        self.socket = socket
        self._sessions: dict[str, Session] = {}
        self._queued_bytes = self._queued = 0

    def read(self, frame: bytes) -> Coroutine[Any, Any, None] | None:
        """Act on one frame; what takes longer is given back. Raises: AppError."""
        if frame == PONG:
            return None
        key, at = read_bytes(frame, 0)
        if len(key) > MAX_KEY_BYTES:
            raise ProtocolError("The name of a document is too long.")
        session = self._sessions.get(name := _text(key))
        if session is None:
            if len(self._sessions) >= settings.COLLAB_DOCUMENTS_PER_SOCKET:
                raise TooManyDocuments
            session = self._sessions[name] = Session(self, name)
        try:
            return session.read(frame[at:])
        except _OF_ONE_DOCUMENT as exc:
            session.close(exc)
            return None

    def queue(self, queue: deque[bytes], body: bytes) -> None:
        """Within the bounds of the socket. Raises: ProtocolError."""
        queue.append(body)
        self._queued, self._queued_bytes = self._queued + 1, self._queued_bytes + len(body)
        if self._queued > QUEUED_FRAMES or self._queued_bytes > QUEUED_BYTES:
            raise ProtocolError("Too much was sent before the sign-in.")

    def unqueue(self, queue: deque[bytes]) -> bytes:
        body = queue.popleft()
        self._queued, self._queued_bytes = self._queued - 1, self._queued_bytes - len(body)
        return body

    def unqueue_all(self, queue: deque[bytes]) -> None:
        while queue:
            self.unqueue(queue)

    def on_full(self) -> None:
        """Nobody reads any document of a socket that is full."""
        for session in self._sessions.values():
            session.on_full()

    def forget(self, session: Session) -> None:
        self._sessions.pop(session.key, None)

    def leave(self) -> None:
        for session in list(self._sessions.values()):
            session.leave()
        self._sessions.clear()


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as exc:
        raise ProtocolError("A text is not UTF-8.") from exc


_SAVED, _NOT_SAVED = b"\x08\x01", b"\x08\x00"
_framings: "WeakValueDictionary[str, Framing]" = WeakValueDictionary()


def _framing(key: str) -> Framing:
    """The same for all sockets on which a document has this key."""
    found = _framings.get(key)
    if found is None:
        found = _framings[key] = Framing(write_bytes(key.encode()))
    return found
