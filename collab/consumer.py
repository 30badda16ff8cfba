"""Hides a socket's life: who it is, what it may send, and how it ends.

A plain ASGI application under Channels' URLRouter: Channels' consumer classes start a task for each frame, which would
cost more than applying it. Here a message is one call (see backend.core.websocket). Nothing is read before the client
is known, so frames before sign-in are bounded by one reading of the network. Each socket is accepted first and then
closed with its code: a browser can't see why a handshake was refused.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import parse_qs

import structlog
from django.conf import settings

from backend.core import ids, metrics
from backend.core.errors import AppError, NotFound
from backend.core.websocket import EXTENSION, RESTART, DirectWebSocket, Framing
from collab.doors import credential_of, sign_in
from collab.errors import ProtocolError, StaleEpoch, TooManyMessages, UpdateTooLarge
from collab.hocuspocus import Multiplex
from collab.hub import Hub, current, shut
from collab.outlet import FramedOutlet, fail, nothing
from collab.protocol import decode

log = structlog.get_logger()

CLOSE_S = 5.0  # a client that reads nothing also reads no close frame
DRAIN_S = 5.0
FRAME_OVERHEAD = 256  # what stands before an update: types, lengths, a document's key

_framed = Framing()
Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]
_Act: TypeAlias = Callable[[bytes], Coroutine[Any, Any, None] | None]  # what takes longer is given back


class SocketOutlet(FramedOutlet):
    """Until `ended` has the error that closes the client's socket, or the code by which the client left."""

    def __init__(self, socket: DirectWebSocket) -> None:
        super().__init__(socket, _framed)
        self.leave: Callable[[], None] = nothing
        self.ended: asyncio.Future[AppError | int] = asyncio.get_running_loop().create_future()

    def send(self, frame: bytes) -> None:
        if not self.ended.done():
            self.say(frame)

    def close(self, error: AppError) -> None:
        if not self.ended.done():
            self.ended.set_result(error)

    def left(self, code: int) -> None:
        """The client has, so nothing may be written any more."""
        self.leave()
        if not self.ended.done():
            self.ended.set_result(code)


@dataclass(slots=True)
class Rate:
    """Messages that a client may still send: `per_s` more each second, up to `burst`. A long one counts as several."""

    per_s: float
    burst: float
    left: float
    at: float

    def spend(self, now: float, messages: float = 1) -> None:
        """Raises: TooManyMessages."""
        self.left = min(self.burst, self.left + (now - self.at) * self.per_s)
        self.at = now
        if self.left < messages:
            raise TooManyMessages
        self.left -= messages


async def application(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """One socket on `/collab/{doc_…}`, of y-websocket."""
    await _live(scope, receive, send, _serve)


async def multiplexed(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """One socket on `/collab`, of Hocuspocus."""
    await _live(scope, receive, send, _serve_many)


async def _live(scope: dict[str, Any], receive: Receive, send: Send, serve: "_Serve") -> None:
    message = await receive()
    if message["type"] != "websocket.connect":
        return
    await send({"type": "websocket.accept"})
    socket: DirectWebSocket = scope["extensions"][EXTENSION]
    outlet = SocketOutlet(socket)
    end: AppError | int
    try:
        with metrics.COLLAB_SOCKETS.track_inprogress():
            end = await serve(await current(), scope, outlet)
    except AppError as exc:
        end = exc
    except Exception:
        log.exception("collab.socket_failed")
        end = AppError()
    if isinstance(end, int):
        metrics.COLLAB_CLOSES.labels("client_left").inc()
        return
    metrics.COLLAB_CLOSES.labels(end.code).inc()
    log.info("collab.socket_closed", code=end.code, close_code=end.close_code)
    try:
        async with asyncio.timeout(CLOSE_S):
            await send({"type": "websocket.close", "code": end.close_code, "reason": end.code})
    except Exception:  # noqa: BLE001 - the socket is gone, or its client reads nothing
        socket.abort()


async def _serve(hub: Hub, scope: dict[str, Any], outlet: SocketOutlet) -> AppError | int:
    """Sign in, take a seat, stay until the end; which is told. Raises: AppError."""
    query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
    document_id = ids.parse("doc", scope["url_route"]["kwargs"]["document"])
    grant = await sign_in(hub, credential_of(scope, ticket=query.get("ticket", [""])[0]), document_id)
    if query.get("epoch", [str(grant.epoch)])[0] != str(grant.epoch):
        raise StaleEpoch
    document, seat = await hub.join(grant, outlet, wants_status=query.get("status") == ["1"])

    document.ask(seat)
    act: _Act = lambda frame: document.receive(seat, decode(frame))  # noqa: E731 - typed here, it reads as one
    return await _stay(hub, outlet, act, lambda: hub.leave(document, seat))


async def _serve_many(hub: Hub, scope: dict[str, Any], outlet: SocketOutlet) -> AppError | int:
    documents = Multiplex(hub, scope, outlet.socket, outlet.close)
    outlet.on_full = documents.on_full
    return await _stay(hub, outlet, documents.read, documents.leave)


async def _stay(hub: Hub, outlet: SocketOutlet, act: _Act, leave: Callable[[], None]) -> AppError | int:
    """Act on what the client says until the end; which is told."""
    try:
        outlet.leave = leave
        outlet.socket.take_over(
            _Reader(outlet, act).read,
            ended=outlet.left,
            filled=lambda: outlet.on_full(),
            full_bytes=settings.COLLAB_SEND_BUFFER_BYTES,
        )
        end = await outlet.ended
    finally:
        leave()
    if end == RESTART or hub.closing:
        await hub.drain(DRAIN_S)  # uvicorn waits for us before it goes
    return end


class _Reader:
    """Acts on each message of one client as it comes. What takes longer holds up this client alone."""

    def __init__(self, outlet: SocketOutlet, act: _Act) -> None:
        self._outlet, self._act = outlet, act
        per_s = settings.COLLAB_MESSAGES_PER_S
        self._max_bytes: int = settings.COLLAB_MAX_UPDATE_BYTES + FRAME_OVERHEAD
        self._message_bytes: float = settings.COLLAB_BYTES_PER_S / per_s
        burst = max(4 * per_s, self._max_bytes / self._message_bytes)
        self._rate = Rate(per_s, burst, burst, time.monotonic())
        self._heavy: asyncio.Task[None] | None = None  # kept, for the loop keeps no task alive

    def read(self, frame: bytes | None) -> None:
        if self._outlet.ended.done():
            return
        try:
            heavy = self._act(self._admitted(frame))
        except Exception as exc:  # noqa: BLE001 - of this client alone
            return fail(self._outlet.close, exc)
        if heavy is not None:
            self._outlet.socket.hold()
            self._heavy = asyncio.create_task(self._await(heavy))

    def _admitted(self, frame: bytes | None) -> bytes:
        if frame is None:
            raise ProtocolError("Frames are binary.")
        if len(frame) > self._max_bytes:
            raise UpdateTooLarge
        self._rate.spend(time.monotonic(), max(1, len(frame) / self._message_bytes))
        return frame

    async def _await(self, heavy: Coroutine[Any, Any, None]) -> None:
        try:
            await heavy
            self._outlet.socket.release()
        except Exception as exc:  # noqa: BLE001 - as above
            fail(self._outlet.close, exc)


_Serve: TypeAlias = Callable[[Hub, dict[str, Any], SocketOutlet], Awaitable[AppError | int]]


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
