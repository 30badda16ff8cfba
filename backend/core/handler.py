"""Hides the one hop between the event loop and threads: a request is served in one thread, from its start to its end.

Django's own ASGI handler goes over to a thread and back for each signal, for the middleware and for the view, and makes
a new thread for each request: that cost more than many a request itself. What streams is sent by the event loop, with
no thread and no database connection held.
"""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import BytesIO
from typing import Any, TypeVar

from django.core import signals
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.db import connections
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix

T = TypeVar("T")
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]

THREADS = 64  # made as they are needed; some wait for S3, and the database's pool bounds those that ask it


class Handler(ASGIHandler):
    """An ASGI application for HTTP. Middleware and views are synchronous; a response may stream an async iterator."""

    def __init__(self) -> None:
        super().__init__()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="http")

    def load_middleware(self, is_async: bool = False) -> None:
        super().load_middleware(is_async=False)

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        body = await _read(receive)
        if body is None:
            return
        response = await self._in_thread(self._serve, scope, body)
        if not response.streaming:
            return await self.send_response(response, send)
        try:
            await self._stream(response, receive, send)
        finally:
            await self._in_thread(response.close)

    async def _in_thread(self, function: Callable[..., T], *arguments: Any) -> T:
        run = partial(contextvars.copy_context().run, function, *arguments)
        return await asyncio.get_running_loop().run_in_executor(self._threads, run)

    def _serve(self, scope: dict[str, Any], body: bytes) -> HttpResponseBase:
        set_script_prefix(get_script_prefix(scope))
        signals.request_started.send(sender=type(self), scope=scope)
        request, refusal = self.create_request(scope, BytesIO(body))
        response = self.get_response(request) if request is not None else refusal
        assert response is not None  # noqa: S101 - one of both is there, which Django's types don't say
        response._handler_class = type(self)  # type: ignore[attr-defined]  # the sender of request_finished
        if response.streaming:
            connections.close_all()
        else:
            response.close()  # its content stays; this gives the database connections back
        return response

    async def _stream(self, response: HttpResponseBase, receive: Receive, send: Send) -> None:
        """Until its end, or until the client leaves."""
        sending = asyncio.create_task(self.send_response(response, send))
        leaving = asyncio.create_task(self.listen_for_disconnect(receive))
        try:
            await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, leaving):
                task.cancel()
            ends = await asyncio.gather(sending, leaving, return_exceptions=True)
        for end in ends:
            if isinstance(end, Exception) and not isinstance(end, RequestAborted):
                raise end


async def _read(receive: Receive) -> bytes | None:
    """The body, which the gate has bounded; None when the client left."""
    chunks = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunks.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(chunks)
