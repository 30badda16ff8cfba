"""Hides the way to one client: frames that are made once for many, and how much of them it has yet to read."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

from backend.core.errors import AppError
from backend.core.websocket import DirectWebSocket, Framing

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

    @property
    def is_full(self) -> bool:
        return self.socket.is_full

    @property
    def unsent_bytes(self) -> int:
        return self.socket.unsent_bytes


def nothing() -> None: ...


@contextmanager
def failing_by(close: Callable[[AppError], None]) -> Iterator[None]:
    """Whatever goes wrong in the block ends in `close`; what is not ours to tell is logged, and told as our fault."""
    try:
        yield
    except AppError as exc:
        close(exc)
    except Exception:
        log.exception("collab.message_failed")
        close(AppError())
