"""A socket whose messages an application takes over: RFC 6455 over a real connection, whole or in pieces."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvicorn
import uvloop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.core.websocket import EXTENSION, DirectWebSocket, Framing, frame
from backend.embedded.plan import HOST, free_port
from tests.waiting import until

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
MAX_BYTES = 100_000
MASK = b"\x01\x02\x03\x04"


def masked(opcode: int, payload: bytes, *, fin: bool = True, reserved: int = 0, mask: bytes | None = MASK) -> bytes:
    """A client's frame."""
    length = len(payload)
    first, marked = (0x80 if fin else 0) | reserved | opcode, 0x80 if mask else 0
    if length < 126:
        head = bytes((first, marked | length))
    elif length < 65536:
        head = struct.pack("!BBH", first, marked | 126, length)
    else:
        head = struct.pack("!BBQ", first, marked | 127, length)
    if mask is None:
        return head + payload
    return head + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


@dataclass
class Echo:
    """An application that sends back each message, in the order of their coming."""

    early: bool = True  # take over at once, not after the first message waits
    heard: list[bytes | None] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    sockets: list[DirectWebSocket] = field(default_factory=list)
    filled: list[DirectWebSocket] = field(default_factory=list)

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            return
        await receive()
        await send({"type": "websocket.accept"})
        socket = scope["extensions"][EXTENSION]
        self.sockets.append(socket)
        if not self.early:
            await asyncio.sleep(0.1)
        ended = asyncio.get_running_loop().create_future()
        framed = Framing()

        def hear(message: bytes | None) -> None:
            self.heard.append(message)
            socket.write(framed(message if message is not None else b"text"))

        def end(code: int) -> None:
            if not ended.done():
                ended.set_result(code)

        socket.take_over(hear, ended=end, filled=lambda: self.filled.append(socket), full_bytes=1000)
        self.ends.append(await ended)


class Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def frame(self) -> tuple[int, bytes]:
        first, second = await self.reader.readexactly(2)
        length = second
        if second >= 126:
            size = 2 if second == 126 else 8
            length = int.from_bytes(await self.reader.readexactly(size))
        return first & 0x0F, await self.reader.readexactly(length)

    async def messages(self, count: int) -> list[bytes]:
        found: list[bytes] = []
        while len(found) < count:
            opcode, payload = await self.frame()
            if opcode == BINARY:
                found.append(payload)
        return found

    async def close_code(self) -> int:
        """Of the close frame; the network ends after it."""
        while True:
            opcode, payload = await self.frame()
            if opcode == CLOSE:
                return int.from_bytes(payload[:2])


@asynccontextmanager
async def served(echo: Echo) -> AsyncIterator[int]:
    port = free_port(taken=set())
    config = uvicorn.Config(
        echo, host=HOST, port=port, ws=DirectWebSocket, ws_max_size=MAX_BYTES, log_level="error", lifespan="off"
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    try:
        yield port
    finally:
        server.should_exit = True
        await serving


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[Connection]:
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101")
    try:
        yield Connection(reader, writer)
    finally:
        writer.close()


MESSAGES = st.lists(
    st.tuples(st.binary(max_size=300) | st.integers(65_530, 65_540).map(bytes), st.integers(1, 4), st.booleans()),
    min_size=1,
    max_size=6,
)


@given(messages=MESSAGES, cuts=st.lists(st.integers(1, 400), max_size=8), early=st.booleans())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_messages_arrive_whole_however_the_network_cuts_them(
    messages: list[tuple[bytes, int, bool]], cuts: list[int], early: bool
) -> None:
    """In one frame or several, pings between them, in any pieces, before the application is there or after."""
    data = b""
    for payload, frames, pinged in messages:
        size = max(1, -(-len(payload) // frames))
        parts = [payload[at : at + size] for at in range(0, len(payload), size)] or [b""]
        for number, part in enumerate(parts):
            data += masked(CONT if number else BINARY, part, fin=number == len(parts) - 1)
            if pinged:
                data += masked(PING, b"are you there")

    async def run() -> None:
        echo = Echo(early)
        async with served(echo) as port, connected(port) as connection:
            at = 0
            for cut in cuts:
                connection.writer.write(data[at : at + cut])
                at += cut
                await connection.writer.drain()
                await asyncio.sleep(0.001)
            connection.writer.write(data[at:])
            async with asyncio.timeout(10):
                assert await connection.messages(len(messages)) == [payload for payload, _, _ in messages]

    asyncio.run(run())


WRONG = {
    "unmasked": (masked(BINARY, b"x", mask=None), 1002),
    "a reserved bit": (masked(BINARY, b"x", reserved=0x40), 1002),
    "an unknown opcode": (masked(3, b"x"), 1002),
    "a ping in pieces": (masked(PING, b"x", fin=False), 1002),
    "a long ping": (masked(PING, bytes(126)), 1002),
    "nothing to continue": (masked(CONT, b"x"), 1002),
    "a message within another": (masked(BINARY, b"x", fin=False) + masked(BINARY, b"y"), 1002),
    "too large": (masked(BINARY, bytes(MAX_BYTES + 1)), 1009),
    "too large in pieces": (masked(BINARY, bytes(MAX_BYTES), fin=False) + masked(CONT, bytes(9)), 1009),
    "a head alone that says too much": (b"\x82\xff" + (2**63).to_bytes(8) + MASK, 1009),
}


@pytest.mark.parametrize("name", WRONG)
async def test_what_the_protocol_forbids_ends_the_socket(name: str) -> None:
    """With the code that RFC 6455 gives it; the application is told once, and what follows is not heard."""
    data, code = WRONG[name]
    echo = Echo()
    async with served(echo) as port, connected(port) as connection, asyncio.timeout(10):
        connection.writer.write(data + masked(BINARY, b"after"))
        assert await connection.close_code() == code
        with suppress(ConnectionResetError):  # where the network had brought more than was read
            assert await connection.reader.read() == b""
        assert echo.heard == []
        await until(lambda: echo.ends)
    assert echo.ends == [code]


async def test_a_text_is_told_as_none_and_a_close_is_answered() -> None:
    echo = Echo()
    async with served(echo) as port, connected(port) as connection, asyncio.timeout(10):
        connection.writer.write(masked(TEXT, b"hello") + masked(CLOSE, struct.pack("!H", 4001)))
        assert await connection.messages(1) == [b"text"]
        assert await connection.close_code() == 4001
        await until(lambda: echo.ends)
    assert (echo.heard, echo.ends) == ([None], [4001])


async def test_a_large_message_in_small_pieces_costs_no_more_than_its_bytes() -> None:
    """Nothing is read again for each piece."""
    echo, payload = Echo(), bytes(MAX_BYTES)
    async with served(echo) as port, connected(port) as connection, asyncio.timeout(20):
        await until(lambda: echo.sockets)
        reads, read = 0, echo.sockets[0]._frame

        def counted(data: bytes, at: int) -> int:
            nonlocal reads
            reads += 1
            return read(data, at)

        echo.sockets[0]._frame = counted  # type: ignore[method-assign]  # to count
        data = masked(BINARY, payload)
        for at in range(0, len(data), 500):
            connection.writer.write(data[at : at + 500])
            await connection.writer.drain()
            await asyncio.sleep(0)
        assert await connection.messages(1) == [payload]
    assert reads < 5


async def test_held_it_reads_nothing_and_released_it_goes_on() -> None:
    """Also what the network had brought already."""
    echo = Echo()
    async with served(echo) as port, connected(port) as connection, asyncio.timeout(10):
        connection.writer.write(masked(BINARY, b"0"))
        await connection.messages(1)
        socket = echo.sockets[0]
        socket.hold()
        connection.writer.write(b"".join(masked(BINARY, b"%d" % number) for number in range(1, 50)))
        await asyncio.sleep(0.1)
        assert echo.heard == [b"0"]
        socket.release()
        assert await connection.messages(49) == [b"%d" % number for number in range(1, 50)]


async def test_it_tells_that_a_client_does_not_read() -> None:
    """Full from the bound on, until nearly all has been read; each frame that was written arrives."""
    echo = Echo()
    async with served(echo) as port, connected(port) as connection, asyncio.timeout(20):
        await until(lambda: echo.sockets)
        socket, sent = echo.sockets[0], 0
        await asyncio.sleep(0.05)
        while not socket.is_full:
            socket.write(frame(bytes(60_000)))
            sent += 1
            await asyncio.sleep(0)
        assert socket.unsent_bytes > 1000
        assert echo.filled == [socket]
        assert await connection.messages(sent) == [bytes(60_000)] * sent
        await until(lambda: not socket.is_full)


async def test_an_aborted_socket_is_gone_at_once() -> None:
    echo = Echo()
    async with served(echo) as port, connected(port) as connection, asyncio.timeout(10):
        connection.writer.write(masked(BINARY, b"x"))
        await connection.messages(1)
        echo.sockets[0].abort()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await connection.frame()
        await until(lambda: echo.ends)


def test_one_that_is_gone_does_not_keep_the_others_from_being_told() -> None:
    """The server ends, and has them leave one after another. uvloop raises where a closed connection is written to."""

    async def end() -> None:
        echo = Echo()
        async with served(echo) as port, connected(port) as gone, connected(port) as other, asyncio.timeout(10):
            for connection in (gone, other):
                connection.writer.write(masked(BINARY, b"x"))
                await connection.messages(1)
            echo.sockets[0].abort()
            await until(lambda: echo.ends)
            for socket in echo.sockets:
                socket.shutdown()
            assert await other.close_code() == 1012

    uvloop.run(end())
