"""Hides a Yjs client in Python for tests: real frames over a real socket, a replica, and what it was told is saved."""

import asyncio
import uuid
from contextlib import suppress
from typing import Any

import pycrdt
import websockets
from websockets.asyncio.client import ClientConnection

from collab.protocol import Awareness, Message, Presence, Status, SyncStep1, SyncStep2, SyncUpdate, decode, encode


class YSocket:
    """One client. `saved(n)` waits until the server has committed n of its data frames."""

    def __init__(self) -> None:
        self.doc: pycrdt.Doc[Any] = pycrdt.Doc()
        self.entries: pycrdt.Map[Any] = self.doc.get("elements", type=pycrdt.Map)
        self.frames_sent = 0
        self.committed = 0
        self.others: dict[int, str] = {}
        self.denied: list[Message] = []
        self.synced = asyncio.Event()
        self.news = asyncio.Condition()
        self.closed_with: int | None = None
        self.reason: str | None = None  # with which it was closed
        self._socket: ClientConnection | None = None
        self._reader: asyncio.Task[None] | None = None
        self._outgoing: list[bytes] = []
        self._applying = False
        self.doc.observe(self._changed)

    def _changed(self, event: pycrdt.TransactionEvent) -> None:
        if not self._applying and event.update != b"\x00\x00":
            self._outgoing.append(event.update)

    async def open(self, url: str, **options: Any) -> "YSocket":
        self.synced.clear()
        self.frames_sent = self.committed = 0
        self.closed_with = None
        self._socket = await websockets.connect(url, compression=None, max_size=None, ping_interval=None, **options)
        self._reader = asyncio.create_task(self._read())
        with suppress(websockets.ConnectionClosed):  # refused: `ended` tells the code
            await self.send(SyncStep1(self.doc.get_state()))
        return self

    async def _read(self) -> None:
        assert self._socket is not None
        try:
            async for data in self._socket:
                assert isinstance(data, bytes)
                await self._take(decode(data))
                async with self.news:
                    self.news.notify_all()
        except websockets.ConnectionClosed:
            pass
        self.closed_with, self.reason = self._socket.close_code, self._socket.close_reason
        async with self.news:
            self.news.notify_all()

    async def _take(self, message: Message) -> None:
        match message:
            case SyncStep1(vector):
                await self.send(SyncStep2(self.doc.get_update(vector)))
            case SyncStep2(update) | SyncUpdate(update):
                self._applying = True
                self.doc.apply_update(update)
                self._applying = False
                if isinstance(message, SyncStep2):
                    self.synced.set()
            case Awareness(entries):
                self.others.update({entry.client_id: entry.state for entry in entries})
            case Status(committed):
                self.committed = committed
            case _:
                self.denied.append(message)

    async def send(self, message: Message) -> None:
        self.frames_sent += isinstance(message, SyncStep2 | SyncUpdate)
        await self.send_bytes(encode(message))

    async def send_bytes(self, frame: bytes | str) -> None:
        assert self._socket is not None
        await self._socket.send(frame)

    async def put(self, key: str, value: Any) -> None:
        """Set an entry and send what that changed."""
        self.entries[key] = value
        await self.send_all()

    async def send_all(self) -> None:
        """What was changed and not sent yet."""
        outgoing, self._outgoing = self._outgoing, []
        for update in outgoing:
            await self.send(SyncUpdate(update))

    async def present(self, state: str, *, clock: int = 1) -> None:
        await self.send(Awareness((Presence(self.doc.client_id, clock, state),)))

    async def until(self, test: Any, timeout_s: float = 10.0) -> None:
        """Wait for `test(self)`, looked at after each message and at the end."""
        async with asyncio.timeout(timeout_s), self.news:
            await self.news.wait_for(lambda: test(self))

    async def saved(self, frames: int | None = None, timeout_s: float = 10.0) -> None:
        wanted = self.frames_sent if frames is None else frames
        await self.until(lambda it: it.committed >= wanted, timeout_s)

    async def has(self, key: str, value: Any, timeout_s: float = 10.0) -> None:
        await self.until(lambda it: it.entries.get(key) == value, timeout_s)

    async def ended(self, timeout_s: float = 10.0) -> int | None:
        await self.until(lambda it: it.closed_with is not None, timeout_s)
        return self.closed_with

    async def close(self) -> None:
        if self._socket is not None:
            await self._socket.close()
        if self._reader is not None:
            await self._reader

    def drop(self) -> None:
        """Cut the connection without a word."""
        assert self._socket is not None
        self._socket.transport.abort()


def key() -> str:
    return uuid.uuid4().hex
