"""The web process: `python -m backend.serve --port 8000`. Hides uvicorn, and bounds what it leaves open.

uvicorn reads the head of a request without end, in bytes and in time, and refuses a malformed one in words of its own.
"""

import argparse
import asyncio
import json
import os
import random
import socket
import sys
from contextlib import suppress
from types import FrameType
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backend.settings")  # ninja asks for settings when it is imported

import uvicorn
from django.conf import settings
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from backend.api.problems import as_body
from backend.core import metrics
from backend.core.errors import AppError, BadRequest, HeadersTooLarge, RequestTimeout
from backend.core.websocket import DirectWebSocket

GRACE_S = 2  # for what is under way when the process is told to stop
SPREAD_S, SPREAD_PER_S, SPREAD_STEPS = 1.0, 1000, 50  # of sockets that are closed at the end


class BoundedHttp(HttpToolsProtocol):
    """HTTP/1.1 in which a head comes within MAX_HEADER_BYTES and REQUEST_TIMEOUT_S, and each refusal is a problem."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._head_bytes: int | None = 0  # of the head that is coming; None between its end and the next one
        self._trailer_bytes = 0
        self._patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        super().connection_made(transport)
        # What a client does not take holds its connection and our memory: the kernel ends it after that time.
        patience_ms = int(settings.REQUEST_TIMEOUT_S * 1000)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, patience_ms)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = self._trailer_bytes = 0
        if self._patience is None:
            self._wait()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._head_bytes is not None:
            return super().on_header(name, value)
        self._trailer_bytes += len(name) + len(value)  # after a chunked body; ASGI has no use for them
        if self._trailer_bytes > settings.MAX_HEADER_BYTES:
            self.transport.abort()

    def on_headers_complete(self) -> None:
        self._head_bytes = None
        self._stop_waiting()
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._head_bytes is not None:
            self._head_bytes += len(data)
            if self._head_bytes > settings.MAX_HEADER_BYTES:
                self._refuse(
                    HeadersTooLarge(f"The address and the headers may have {settings.MAX_HEADER_BYTES} bytes.")
                )

    def send_400_response(self, msg: str) -> None:
        self._refuse(BadRequest("This is no HTTP/1.1 request."))

    def _wait(self) -> None:
        self._patience = self.loop.call_later(settings.REQUEST_TIMEOUT_S, self._lose_patience)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _lose_patience(self) -> None:
        self._patience = None
        if self._head_bytes:
            self._refuse(RequestTimeout(f"The request did not arrive within {settings.REQUEST_TIMEOUT_S:g} s."))
        else:
            self.transport.close()  # nothing was asked

    def _refuse(self, refusal: AppError) -> None:
        if self.transport.is_closing():
            return
        metrics.HTTP_REFUSED.labels(refusal.code).inc()
        body = json.dumps(as_body(refusal)).encode()
        head = (
            f"HTTP/1.1 {refusal.status} {refusal.title}\r\ncontent-type: application/problem+json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()


class Server(uvicorn.Server):
    """uvicorn's, which wakes ten times a second to see whether it is to end: here the signal wakes it. At the end the
    sockets are closed one after another, so that their clients don't come back all at once."""

    _loop: asyncio.AbstractEventLoop | None = None

    async def main_loop(self) -> None:
        self._loop, self._told = asyncio.get_running_loop(), asyncio.Event()
        while not await self.on_tick(0):  # 0: also the Date header
            with suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await self._told.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        leaving = [one for one in self.server_state.connections if isinstance(one, DirectWebSocket)]
        random.shuffle(leaving)
        at_once = max(1, len(leaving) // SPREAD_STEPS)
        for at in range(0, len(leaving), at_once):
            for one in leaving[at : at + at_once]:
                one.shutdown()
            await asyncio.sleep(min(SPREAD_S, len(leaving) / SPREAD_PER_S) / SPREAD_STEPS)
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._told.set)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m backend.serve", description="The web process: HTTP and WebSocket.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args()
    config = uvicorn.Config(
        "backend.asgi:application",
        host=options.host,
        port=options.port,
        loop="uvloop",
        http=BoundedHttp,
        ws=DirectWebSocket,
        ws_ping_interval=None,  # see DirectWebSocket: the kernel asks
        ws_per_message_deflate=False,  # frames are small, and Yjs packs them already
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=GRACE_S,
        server_header=False,
    )
    server = Server(config)
    with suppress(KeyboardInterrupt):  # after the end, which was orderly
        server.run()
    if not server.started:
        sys.exit("The web process did not start.")


if __name__ == "__main__":
    main()
