"""Hides one connection to Valkey, on which each act is a callback: what is published, and what others publish.

A coroutine of redis-py's costs several times what a message costs. It makes the connection here (addresses, passwords,
TLS); then its transport is ours. In RESP3 what others publish comes between the answers. Source: RESP3's specification.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import hiredis
import redis
import redis.asyncio
import structlog
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

log = structlog.get_logger()

CONNECT_S = 1.0
ANSWER_S = 2.0  # after that the connection counts as lost
PING_S = 5.0  # of silence
MAX_UNSENT_BYTES = 16 * 1024 * 1024
AWAY = (redis.RedisError, OSError)
Answered: TypeAlias = Callable[[Any], None]
Heard: TypeAlias = Callable[[bytes, bytes], None]
Subscribed: TypeAlias = Callable[[bytes], None]


class Broker(asyncio.Protocol):
    """Connected until `ended`, which raises one of AWAY where the connection was lost."""

    def __init__(self, transport: asyncio.Transport, heard: Heard, subscribed: Subscribed) -> None:
        loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = loop.create_future()
        self._transport = transport
        self._on: dict[bytes, Callable[[bytes, Any], None]] = {
            b"message": heard,
            b"subscribe": lambda channel, _: subscribed(channel),
        }
        self._replies = hiredis.Reader()
        self._answers: deque[Answered] = deque()
        self._unsent: list[bytes] = []
        self._waits_since = self._heard_at = time.monotonic()
        self._is_full = False
        self._watching = loop.call_later(ANSWER_S / 2, self._watch)
        transport.set_protocol(self)
        transport.set_write_buffer_limits(high=MAX_UNSENT_BYTES)

    def stop(self) -> None:
        """Nothing is heard any more; what was said is still sent."""
        self._on = {}
        self._watching.cancel()
        self.ended.cancel()
        self._send()

    # --- saying

    def publish(self, channel: bytes, message: bytes, answered: Answered) -> None:
        """`answered` gets the number of connections that heard it. Dropped where too much waits to be sent."""
        if not self._is_full:
            self._ask(b"PUBLISH", channel, message, answered=answered)

    def subscribe(self, *channels: bytes) -> None:
        self._say(b"SUBSCRIBE", *channels)

    def unsubscribe(self, *channels: bytes) -> None:
        self._say(b"UNSUBSCRIBE", *channels)

    def listeners(self, channels: list[bytes], answered: Answered) -> None:
        """`answered` gets [channel, number, …]."""
        self._ask(b"PUBSUB", b"NUMSUB", *channels, answered=answered)

    def _ask(self, *words: bytes, answered: Answered) -> None:
        if not self._answers:
            self._waits_since = time.monotonic()
        self._answers.append(answered)
        self._say(*words)

    def _say(self, *words: bytes) -> None:
        """With all that is said at this turn of the loop."""
        if not self._unsent:
            asyncio.get_running_loop().call_soon(self._send)
        self._unsent.append(hiredis.pack_command(words))  # type: ignore[arg-type]  # it takes any number of words

    def _send(self) -> None:
        unsent, self._unsent = self._unsent, []
        if unsent and not self._transport.is_closing():
            self._transport.write(b"".join(unsent))

    # --- hearing

    def data_received(self, data: bytes) -> None:
        self._heard_at = time.monotonic()
        self._replies.feed(data)
        try:
            while (reply := self._replies.gets()) is not False:
                self._take(reply)
        except hiredis.HiredisError as exc:
            self._fail(redis.InvalidResponse(str(exc)))

    def _take(self, reply: Any) -> None:
        try:
            if isinstance(reply, hiredis.PushNotification):
                kind, channel, what = reply[:3]
                self._on.get(kind, _nothing)(channel, what)
            elif isinstance(reply, hiredis.ReplyError):
                self._fail(redis.ResponseError(str(reply)))
            else:
                self._waits_since = self._heard_at
                self._answers.popleft()(reply)
        except Exception:  # a fault of one document must not end the hearing of all
            log.exception("collab.broker_callback_failed")

    def _watch(self) -> None:
        now = time.monotonic()
        if self._answers and now - self._waits_since > ANSWER_S:
            self._fail(redis.TimeoutError("Valkey does not answer."))
        elif not self._answers and now - self._heard_at > PING_S:
            self._ask(b"PING", answered=_nothing)
        if not self.ended.done():
            self._watching = asyncio.get_running_loop().call_later(ANSWER_S / 2, self._watch)

    # --- the transport's calls

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(exc or redis.ConnectionError("Valkey closed the connection."))

    def _fail(self, exc: Exception) -> None:
        self._watching.cancel()
        if not self.ended.done():
            self.ended.set_exception(exc)
            self._transport.abort()


def _nothing(*_: object) -> None: ...


@asynccontextmanager
async def connected(url: str, heard: Heard, subscribed: Subscribed) -> AsyncIterator[Broker]:
    """`heard(channel, message)`; `subscribed(channel)` when its messages come from then on. Raises: one of AWAY."""
    pool = redis.asyncio.ConnectionPool.from_url(
        url, protocol=3, socket_connect_timeout=CONNECT_S, socket_timeout=ANSWER_S, retry=Retry(NoBackoff(), 0)
    )
    connection = pool.make_connection()  # type: ignore[no-untyped-call]  # redis-py's are not typed
    try:
        await connection.connect()
        broker = Broker(connection._writer.transport, heard, subscribed)
        try:
            yield broker
        finally:
            broker.stop()
    finally:
        await connection.disconnect(nowait=True)
