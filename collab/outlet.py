"""Hides the way to one client: frames that are made once for many, and how much of them it has yet to read."""

from collections.abc import Callable

import structlog

from backend.core.errors import AppError
from backend.core.websocket import DirectWebSocket, Framing
from collab.parts import Bytes

log = structlog.get_logger()


class FramedOutlet:
    """What the outlets of all protocols share: see `collab.seats.Outlet`."""

    def __init__(self, socket: DirectWebSocket, framing: Framing) -> None:
        self.socket, self.framing = socket, framing
        self.write = socket.writer
        self.on_full: Callable[[], None] = nothing

    def say(self, payload: bytes) -> None:
        """Unless the client has left."""
        self.socket.write(self.framing(payload))

    def send_long(self, head: bytes, body: Bytes) -> None:
        """The same for both in a row."""
        self.socket.write(self.framing.head(head, len(body)))
        self.socket.write(body)

    @property
    def is_full(self) -> bool:
        return self.socket.is_full

    @property
    def unsent_bytes(self) -> int:
        return self.socket.unsent_bytes


def nothing() -> None: ...


def fail(close: Callable[[AppError], None], exc: Exception) -> None:
    """End a connection by `close` because of `exc`; what is not ours to tell is logged, and told as our fault."""
    if isinstance(exc, AppError):
        close(exc)
    else:
        log.error("collab.message_failed", exc_info=exc)
        close(AppError())
