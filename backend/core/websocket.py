"""Hides what a WebSocket message costs: an application may take over a socket's messages, and write frames to it.

uvicorn passes each message through a general parser, a queue and a task, with two system calls (it stops reading the
network until the message is taken), and frames anew each message that it sends. Here a message is read in one step. An
application takes the DirectWebSocket in its scope over: then it gets each message, and the end, by a call, and writes
frames that it has encoded once for many sockets. Handshake, pings and closing stay uvicorn's. Source: RFC 6455.
"""

import random
import socket
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.protocol import State
from websockets.speedups import apply_mask

EXTENSION = "atelier.direct"

CONT, TEXT, BINARY = 0, 1, 2
FIN, MASKED = 0x80, 0x80
PROTOCOL_ERROR, NO_STATUS, TOO_LARGE, RESTART = 1002, 1005, 1009, 1012
RETRY_MS = 1000  # within which those who were sent away come back, each at a moment of its own
DEAD_S = 25
KEPT_BYTES = 256 * 1024  # of the last frame: a whole document is seldom sent to many, and would be kept for long


def frame(payload: bytes) -> bytes:
    """A server's binary message, whole in one frame."""
    return _head(len(payload)) + payload


def _head(length: int) -> bytes:
    if length < 126:
        return bytes((FIN | BINARY, length))
    if length < 65536:
        return b"\x82\x7e" + length.to_bytes(2)
    return b"\x82\x7f" + length.to_bytes(8)


class Framing:
    """Frames payloads, behind a prefix, for many sockets: of one that goes to several the work is done once."""

    def __init__(self, prefix: bytes = b"") -> None:
        self._prefix = prefix
        self._last, self._framed = b"", frame(prefix)

    def head(self, begin: bytes, more_bytes: int) -> bytes:
        """What is written of a payload that begins like this, before `more_bytes` of it, which follow as they are."""
        begin = self._prefix + begin
        return _head(len(begin) + more_bytes) + begin

    def __call__(self, payload: bytes) -> bytes:
        if payload is self._last:
            return self._framed
        framed = frame(self._prefix + payload)
        if len(framed) <= KEPT_BYTES:
            self._last, self._framed = payload, framed
        return framed


class _Told:
    """Takes a queue's place for uvicorn: of what it says to an application only the end is left."""

    def __init__(self, ended: Callable[[int], None]) -> None:
        self._ended = ended

    def put_nowait(self, message: dict[str, Any]) -> None:
        if message["type"] == "websocket.disconnect":
            self._ended(int(message.get("code") or NO_STATUS))


class DirectWebSocket(WebSocketsSansIOProtocol):
    """uvicorn's protocol, whose messages an application may take over."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.is_full = False
        self._receiver: Callable[[bytes | None], None] | None = None
        self._filled: Callable[[], None] | None = None
        self._rest = bytearray()  # of what the network brought: the beginning of a frame
        self._needed = 0  # bytes until it is worth looking at again
        self._parts: list[bytes] | None = None  # so far, of a message that comes in several frames
        self._parts_bytes = 0
        self._held = False

    # --- for the application

    def take_over(
        self,
        receiver: Callable[[bytes | None], None],
        *,
        ended: Callable[[int], None],
        filled: Callable[[], None],
        full_bytes: int,
    ) -> None:
        """Have `receiver` called with each binary message, and with None for a text; `ended` with the close code.

        All are called in the event loop, at once for what came before. `receive` brings nothing any more. A socket
        `is_full` from `full_bytes` that wait to be sent, which `filled` tells, until all but an eighth of them are.
        """
        self._filled = filled
        self.transport.set_write_buffer_limits(full_bytes, full_bytes // 8)
        self._watch_for_death()
        waiting = [self.queue.get_nowait() for _ in range(self.queue.qsize())]
        self._receiver = receiver
        self.queue = _Told(ended)  # type: ignore[assignment]  # the few things that uvicorn says, not a message each
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        for message in waiting:
            if message["type"] == "websocket.receive":
                receiver(message.get("bytes"))
            else:
                self.queue.put_nowait(message)

    def _watch_for_death(self) -> None:
        """Have the kernel ask a silent client whether it is there, and end the connection after DEAD_S without a word.

        A ping of WebSocket's asks the same, for hundreds of times the work. Source: tcp(7).
        """
        peer = self.transport.get_extra_info("socket")
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, DEAD_S - 15)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_S * 1000)

    def write(self, frames: bytes | memoryview) -> None:
        """Send what `frame` encoded; a socket that is closing is passed over."""
        if not (self.close_sent or self.disconnected):
            self.transport.write(frames)

    @property
    def writer(self) -> Callable[[bytes], None]:
        """The shortest way to send what `frame` encoded, for who stops when `ended` is called."""
        write: Callable[[bytes], None] = self.transport.write
        return write

    @property
    def unsent_bytes(self) -> int:
        return self.transport.get_write_buffer_size()

    def pause_writing(self) -> None:
        self.is_full = True
        super().pause_writing()
        if self._filled is not None:
            self._filled()

    def resume_writing(self) -> None:
        self.is_full = False
        super().resume_writing()

    def abort(self) -> None:
        """End the connection at once, whatever waits to be sent."""
        self.transport.abort()

    def hold(self) -> None:
        """Call the receiver with nothing more for now."""
        self._held = True
        if not self.transport.is_closing():
            self.transport.pause_reading()

    def release(self) -> None:
        """Go on after `hold`."""
        self._held = False
        if not self.transport.is_closing():
            self.transport.resume_reading()
            self.data_received(b"")

    def shutdown(self) -> None:
        """The server ends: ask the client to come back."""
        if self.transport.is_closing():
            return  # uvloop would raise where it is closed already
        if self.handshake_complete and not self.close_sent:
            self.queue.put_nowait({"type": "websocket.disconnect", "code": RESTART})
            retry_ms = random.randrange(RETRY_MS)  # noqa: S311 - nothing secret
            self.conn.send_close(RESTART, f"restarting; retry-after-ms={retry_ms}")
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.transport.close()
        else:
            super().shutdown()

    # --- from the network

    def handle_connect(self, event: Any) -> None:
        super().handle_connect(event)
        if self.response.status_code == 101:
            self.scope["extensions"][EXTENSION] = self  # type: ignore[assignment]  # ours

    def data_received(self, data: bytes) -> None:
        if self.conn.state is State.CONNECTING:
            super().data_received(data)
            if self.handshake_initiated and self.conn.reader.buffer:
                self.transport.abort()  # a client must wait for the answer to its handshake
            return
        if self._rest:
            self._rest += data
            if len(self._rest) < self._needed:
                return  # so that a large frame in small pieces is not copied for each of them
            data = bytes(self._rest)
            self._rest.clear()
        at = self._needed = 0
        while not self._held and (end := self._frame(data, at)) > at:
            at = end
        self._rest += data[at:]

    def _frame(self, data: bytes, at: int) -> int:
        """Act on the frame at `at`; where it ends, or `at` where it is not whole."""
        if len(data) - at < 2:
            return at
        first, second = data[at], data[at + 1]
        if first & 0x70 or first & 0x0F > BINARY or not second & MASKED:
            return self._other(data, at)
        length, head = second & 0x7F, at + 2
        if length > 125:
            size = 2 if length == 126 else 8
            length, head = int.from_bytes(data[head : head + size]), head + size
        start = head + 4
        if len(data) < start:
            return at
        if length + self._parts_bytes > self.config.ws_max_size:
            return self._fail(data, TOO_LARGE)
        end = start + length
        if len(data) < end:
            self._needed = end - at
            return at
        payload = apply_mask(data[start:end], data[head:start])
        if first == FIN | BINARY and self._parts is None:
            self._tell(payload, BINARY)
        elif not self._part(first, payload):
            return self._fail(data, PROTOCOL_ERROR)
        return end

    def _part(self, first: int, payload: bytes) -> bool:
        """Take a text, or one frame of a message that comes in several; whether it may come now."""
        opcode = first & 0x0F
        if (opcode == CONT) != (self._parts is not None):
            return False
        if self._parts is None:
            self._parts, self._kind = [], opcode
        self._parts.append(payload)
        self._parts_bytes += len(payload)
        if first & FIN:
            message, self._parts, self._parts_bytes = b"".join(self._parts), None, 0
            self._tell(message, self._kind)
        return True

    def _tell(self, message: bytes, kind: int) -> None:
        if self.close_sent or self.disconnected:
            return
        if self._receiver is not None:
            self._receiver(message if kind == BINARY else None)
        else:
            self.frames, self.curr_msg_data_type = [message], "bytes" if kind == BINARY else "text"
            self.send_receive_event_to_app()

    def _other(self, data: bytes, at: int) -> int:
        """A ping, a pong or a close: uvicorn knows what to do with the whole frame; anything else is an error."""
        first, second = data[at], data[at + 1]
        end = at + 6 + (second & 0x7F)
        if first & 0x70 or first & 0x0F <= BINARY or not second & MASKED or second & 0x7F > 125:
            return self._fail(data, PROTOCOL_ERROR)
        if len(data) < end:
            return at
        super().data_received(data[at:end])
        return end

    def _fail(self, data: bytes, code: int) -> int:
        """End the connection with `code`; all of `data` is spent."""
        if self.conn.state is State.OPEN:
            self.conn.fail(code)
            self.handle_parser_exception()
        else:
            self.transport.close()
        return len(data)
