"""Hides a socket's life: who it is, what it may send, and how it ends.

A plain ASGI application under Channels' URLRouter: Channels' consumer classes start a task for each frame, which would
cost more than applying it. Nothing is read before the client is known (uvicorn stops reading the network after one
frame), so frames before sign-in are bounded. Each socket is accepted first and then closed with its code: a browser
can't see why a handshake was refused.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import structlog
from django.conf import settings
from django.http.request import validate_host

from backend.core import ids, metrics
from backend.core.errors import AppError, NotFound, NotSignedIn
from collab import bridge
from collab.errors import (
    AccessLost,
    ForeignOrigin,
    ProtocolError,
    RoomUnavailable,
    SlowConsumer,
    StaleEpoch,
    TooManyMessages,
    UpdateTooLarge,
)
from collab.hub import Hub, current, shut
from collab.live import LiveDocument, Seat
from collab.ports import Credential, Grant
from collab.protocol import SyncStep2, SyncUpdate, decode

log = structlog.get_logger()

CLOSE_S = 5.0  # a client that reads nothing also reads no close frame
DRAIN_S = 5.0
FRAME_OVERHEAD = 64
SERVICE_RESTART = 1012

Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]


class SocketOutlet:
    """The frames that wait to be written to one client, bounded: one who does not read is let go."""

    def __init__(self, send: Send, *, max_bytes: int) -> None:
        self._send, self._max_bytes = send, max_bytes
        self._frames: deque[bytes] = deque()
        self._bytes = 0
        self._wake = asyncio.Event()
        self.sent_at = time.monotonic()
        self.closed: asyncio.Future[AppError] = asyncio.get_running_loop().create_future()

    def send(self, frame: bytes) -> None:
        if self.closed.done():
            return
        if self._bytes > self._max_bytes:  # before adding: a whole document may be one large frame
            self.close(SlowConsumer())
            return
        self._frames.append(frame)
        self._bytes += len(frame)
        self._wake.set()

    def close(self, error: AppError) -> None:
        """What waits is dropped: the client gets it again when it comes back."""
        if not self.closed.done():
            self.closed.set_result(error)
            self._frames.clear()

    async def write(self) -> None:
        """Write what waits, until cancelled or the socket is gone."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._frames:
                frame = self._frames.popleft()
                self._bytes -= len(frame)
                self.sent_at = time.monotonic()
                await self._send({"type": "websocket.send", "bytes": frame})


@dataclass(slots=True)
class Rate:
    """Messages that a client may still send: `per_s` more each second, up to `burst`."""

    per_s: float
    burst: float
    left: float
    at: float

    def spend(self, now: float) -> None:
        """Raises: TooManyMessages."""
        self.left = min(self.burst, self.left + (now - self.at) * self.per_s)
        self.at = now
        if self.left < 1:
            raise TooManyMessages
        self.left -= 1


async def application(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """One socket on `/collab/{doc_…}`."""
    with metrics.COLLAB_SOCKETS.track_inprogress():
        await _live(scope, receive, send)


async def _live(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    message = await receive()
    if message["type"] != "websocket.connect":
        return
    await send({"type": "websocket.accept"})
    outlet = SocketOutlet(send, max_bytes=settings.COLLAB_SEND_BUFFER_BYTES)
    writing = asyncio.create_task(outlet.write())
    reading = asyncio.create_task(_serve(scope, receive, outlet))
    try:
        ends: set[asyncio.Future[Any]] = {writing, reading, outlet.closed}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    finally:
        writing.cancel()
        if not reading.done() and not outlet.closed.done():
            reading.cancel()
    error = outlet.closed.result() if outlet.closed.done() else _why(reading)
    metrics.COLLAB_CLOSES.labels(error.code if error else "client_left").inc()
    if error is not None:
        log.info("collab.socket_closed", code=error.code, close_code=error.close_code)
        with suppress(Exception):  # the socket is gone, or its client reads nothing: then uvicorn drops it
            async with asyncio.timeout(CLOSE_S):
                await send({"type": "websocket.close", "code": error.close_code, "reason": error.code})
    reading.cancel()
    await asyncio.gather(writing, reading, return_exceptions=True)


def _why(reading: "asyncio.Task[None]") -> AppError | None:
    """The error that ended the reading; a client that left by itself has none."""
    exc = None if not reading.done() or reading.cancelled() else reading.exception()
    if exc is None or isinstance(exc, AppError):
        return exc
    log.error("collab.socket_failed", exc_info=exc)
    return AppError()


async def _serve(scope: dict[str, Any], receive: Receive, outlet: SocketOutlet) -> None:
    """Sign in, take a seat, read until the end. Raises: AppError."""
    query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
    hub = await current()
    grant = await _sign_in(hub, scope, query)
    if query.get("epoch", [str(grant.epoch)])[0] != str(grant.epoch):
        raise StaleEpoch
    document, seat = await hub.join(grant, outlet, wants_status=query.get("status") == ["1"])
    code = 1006
    try:
        code = await _read(receive, document, seat)
    finally:
        document.leave(seat)
        if code == SERVICE_RESTART or hub.closing:
            await hub.drain(DRAIN_S)  # uvicorn waits for us before it goes


async def _read(receive: Receive, document: LiveDocument, seat: Seat) -> int:
    per_s = settings.COLLAB_MESSAGES_PER_S
    rate = Rate(per_s, 4 * per_s, 4 * per_s, time.monotonic())
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            return int(message.get("code") or 1005)
        rate.spend(time.monotonic())
        frame = message.get("bytes")
        if frame is None:
            raise ProtocolError("Frames are binary.")
        if len(frame) > settings.COLLAB_MAX_UPDATE_BYTES + FRAME_OVERHEAD:
            raise UpdateTooLarge
        decoded = decode(frame)
        if isinstance(decoded, SyncUpdate | SyncStep2) and len(decoded.update) > settings.COLLAB_MAX_UPDATE_BYTES:
            raise UpdateTooLarge
        if document.room is None:  # it is being loaded again
            await document.ready.wait()
        if document.room is None:
            raise RoomUnavailable
        document.receive(seat, decoded)


async def _sign_in(hub: Hub, scope: dict[str, Any], query: dict[str, list[str]]) -> Grant:
    document_id = _document_id(scope)
    credential = _credential(scope, query)
    changes = hub.access_changes
    try:
        grant: Grant | None = await bridge.redeem(credential, document_id)
        if grant is not None and hub.access_changes != changes:
            grant = await bridge.refresh(grant)  # a right changed while we asked: nobody would tell us again
    except AppError:
        raise
    except Exception as exc:  # the port's edge: what lies behind it is away
        log.warning("collab.sign_in_failed", error=type(exc).__name__)
        raise RoomUnavailable from exc
    if grant is None:
        raise AccessLost
    return grant


def _document_id(scope: dict[str, Any]) -> UUID:
    text = scope.get("url_route", {}).get("kwargs", {}).get("document", "")
    return ids.parse("doc", text)


def _credential(scope: dict[str, Any], query: dict[str, list[str]]) -> Credential:
    """The ticket, if there is one; a program's token; the session's cookie, which only our own pages may use."""
    if ticket := query.get("ticket"):
        return Credential("ticket", ticket[0])
    headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
    scheme, _, secret = headers.get(b"authorization", "").partition(" ")
    if scheme.lower() == "bearer":  # no page of a browser can set this header on a socket
        return Credential("token", secret.strip())
    cookies: SimpleCookie = SimpleCookie()
    with suppress(CookieError):
        cookies.load(headers.get(b"cookie", ""))
    morsel = cookies.get(settings.SESSION_COOKIE_NAME)
    if morsel is None or not morsel.value:
        raise NotSignedIn
    if not _is_our_page(headers.get(b"origin", ""), headers.get(b"host", "")):
        raise ForeignOrigin
    return Credential("session", morsel.value)


def _is_our_page(origin: str, host: str) -> bool:
    if origin in (settings.ATELIER_URL, *settings.CSRF_TRUSTED_ORIGINS):
        return True
    page = urlsplit(origin)
    return bool(host) and page.netloc == host and validate_host(page.hostname or "", settings.ALLOWED_HOSTS)


async def nowhere(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Any other address: say so in the one way that a browser sees."""
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.close", "code": NotFound.close_code, "reason": NotFound.code})


async def lifespan(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """The server's start and end: at the end everything is flushed and committed."""
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await current()
            await send({"type": "lifespan.startup.complete"})
        else:
            await shut()
            await send({"type": "lifespan.shutdown.complete"})
            return
