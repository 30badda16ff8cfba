"""One thread serves a request from its start to its end; what streams is sent by the loop, with nothing held."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from django.core import signals
from django.db import connection, connections
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import path

from backend.core.handler import Handler

seen: list[Any] = []


def answer(request: HttpRequest) -> HttpResponse:
    seen.append(threading.get_ident())
    return HttpResponse(request.body + b"!")


def fail(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("as asked")


def stream(request: HttpRequest) -> StreamingHttpResponse:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return StreamingHttpResponse(_parts())


async def _parts() -> AsyncIterator[bytes]:
    try:
        yield b"one"
        await asyncio.sleep(0.05)
        yield b"two"
        await asyncio.sleep(30)
    finally:
        seen.append("closed")


urlpatterns = [path("answer", answer), path("fail", fail), path("stream", stream)]


@pytest.fixture
def handler(settings: Any) -> Iterator[Handler]:
    settings.ROOT_URLCONF, settings.MIDDLEWARE = __name__, []
    seen.clear()
    yield Handler()
    seen.clear()


class Exchange:
    """A client's side of one request: its body in two pieces, and what it was sent; `leave` when it has enough."""

    def __init__(self, address: str) -> None:
        self.scope = {"type": "http", "method": "POST", "path": address, "query_string": b"", "headers": []}
        self.sent: list[Any] = []
        self.leave = asyncio.Event()
        self._body: list[dict[str, Any]] = [{"body": b"a", "more_body": True}, {"body": b"b"}]

    async def receive(self) -> dict[str, Any]:
        if self._body:
            return {"type": "http.request", **self._body.pop(0)}
        await self.leave.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.sent.append(message)
        if message.get("body") == b"two":
            self.leave.set()

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)


async def test_one_thread_from_start_to_end(handler: Handler) -> None:
    """The signals, the view and the close come in one thread, which is not the loop's."""

    def note(**_: Any) -> None:
        seen.append(threading.get_ident())

    signals.request_started.connect(note)
    signals.request_finished.connect(note)
    exchange = Exchange("/answer")
    try:
        await handler(exchange.scope, exchange.receive, exchange.send)
    finally:
        signals.request_started.disconnect(note)
        signals.request_finished.disconnect(note)
    assert (exchange.sent[0]["status"], exchange.body) == (200, b"ab!")
    assert len(seen) == 3
    assert len(set(seen)) == 1
    assert seen[0] != threading.get_ident()


async def test_threads_are_used_again(handler: Handler) -> None:
    """Requests one after the other make no threads of their own (a pool may make one while another is going idle)."""
    for _ in range(30):
        exchange = Exchange("/answer")
        await handler(exchange.scope, exchange.receive, exchange.send)
    assert len(seen) == 30
    assert len(set(seen)) < 10


async def test_a_view_that_fails_is_answered(handler: Handler) -> None:
    """500, and the server goes on."""
    exchange = Exchange("/fail")
    await handler(exchange.scope, exchange.receive, exchange.send)
    assert exchange.sent[0]["status"] == 500


async def test_a_stream_ends_when_its_client_leaves(handler: Handler, stack: Any) -> None:
    """Its parts are sent as they come; then its iterator is closed, long before it would have ended by itself."""
    exchange = Exchange("/stream")
    await asyncio.wait_for(handler(exchange.scope, exchange.receive, exchange.send), 10)
    assert exchange.body == b"onetwo"
    assert seen == ["closed"]


async def test_a_stream_holds_no_database_connection(handler: Handler, stack: Any) -> None:
    """The view's connection is back in the pool before the first part is sent."""
    exchange = Exchange("/stream")
    await asyncio.wait_for(handler(exchange.scope, exchange.receive, exchange.send), 10)
    held = await handler._in_thread(lambda: [each.connection for each in connections.all(initialized_only=True)])
    assert [connection for connection in held if connection is not None] == []


async def test_a_client_that_left_is_not_served(handler: Handler) -> None:
    """Nothing runs for a request whose body never came whole."""
    exchange = Exchange("/answer")
    exchange._body = []
    exchange.leave.set()
    await handler(exchange.scope, exchange.receive, exchange.send)
    assert (exchange.sent, seen) == ([], [])
