"""What one socket of Hocuspocus' protocol may ask of the server before it has shown who it is, and after."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import websockets
from websockets.asyncio.client import ClientConnection

from backend.core import ids
from collab import hocuspocus
from collab.protocol import EMPTY_UPDATE, SyncUpdate, encode, write_bytes
from tests.conftest import Stack

SYNC_STEP_1 = b"\x00\x00\x01\x00"


@pytest.fixture
async def socket(stack: Stack) -> AsyncIterator[ClientConnection]:
    async with websockets.connect(f"{stack.ws_url}/collab", compression=None) as opened:
        yield opened


def frame(key: str, body: bytes) -> bytes:
    return write_bytes(key.encode()) + body


def token(text: str) -> bytes:
    return b"\x02\x00" + write_bytes(text.encode()) + write_bytes(b"4.8.0")


async def close_code(socket: ClientConnection) -> int | None:
    async with asyncio.timeout(10):
        await socket.wait_closed()
    return socket.close_code


@pytest.mark.parametrize(
    "sent",
    [
        frame("x" * (hocuspocus.MAX_KEY_BYTES + 1), SYNC_STEP_1),
        write_bytes(b"\xff") + SYNC_STEP_1,
        frame("doc", b""),
        frame("doc", b"\x02\x01\x00"),
        b"\x05",
    ],
    ids=["a long name", "a name of no UTF-8", "no message", "what only the server says", "cut off"],
)
async def test_what_is_no_frame_ends_the_socket(socket: ClientConnection, sent: bytes) -> None:
    await socket.send(sent)
    assert await close_code(socket) == 4400


async def test_little_is_kept_before_the_sign_in(socket: ClientConnection) -> None:
    """Over all documents of the socket together."""
    large = encode(SyncUpdate(bytes(hocuspocus.QUEUED_BYTES // 4)))
    for number in range(5):
        await socket.send(frame(f"doc-{number}", large))
    assert await close_code(socket) == 4400


async def test_a_socket_opens_so_many_documents(socket: ClientConnection) -> None:
    for number in range(101):
        await socket.send(frame(f"doc-{number}", SYNC_STEP_1))
    assert await close_code(socket) == 4429


async def test_a_refused_document_leaves_nothing_behind(socket: ClientConnection) -> None:
    """Neither its place on the socket nor what it had sent."""
    key = ids.show("doc", ids.new_id())
    for _ in range(150):
        await socket.send(frame(key, encode(SyncUpdate(EMPTY_UPDATE))))
        await socket.send(frame(key, token("nonsense")))
        refused = await socket.recv()
        assert isinstance(refused, bytes)
        assert refused.startswith(frame(key, b"\x02\x01"))
