"""Asks servers for pages over kept connections: as many as it can (closed loop), or so many a second (open loop).

The open loop counts each latency from the moment at which the request was due, so that a slow server can't hide behind
a client that waits for it. The client itself is small, for it must cost less than what it measures.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Act:
    """What a person does: requests that their browser sends at once. Done when the last is answered."""

    kind: str
    paths: tuple[str, ...]
    cookie: str


class Unexpected(Exception):
    """An answer that is not 200."""


class Client:
    """Connections to one server, kept and reused; a request takes a free one or opens another."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def get(self, path: str, cookie: str) -> bytes:
        """The body. Raises: Unexpected."""
        asked = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: sessionid={cookie}\r\n\r\n".encode()
        head = b""
        while not head:
            kept = bool(self._free)
            reader, writer = self._free.pop() if kept else await self._connect()
            try:
                writer.write(asked)
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
            except (asyncio.IncompleteReadError, ConnectionError):
                writer.close()
                if not kept:  # a server may end a connection that waited: that is no answer, and another one is tried
                    raise
        if b"transfer-encoding: chunked" in head:
            body = await _chunks(reader)
        else:
            body = await reader.readexactly(int(head.partition(b"content-length:")[2].partition(b"\r\n")[0]))
        if b"connection: close" in head:
            writer.close()
        else:
            self._free.append((reader, writer))
        if not head.startswith(b"http/1.1 200"):
            raise Unexpected(f"{path}: {head[:40]!r} {body[:300]!r}")
        return body

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self._port, limit=1 << 20)

    async def do(self, act: Act) -> None:
        await asyncio.gather(*(self.get(path, act.cookie) for path in act.paths))

    def close(self) -> None:
        for _reader, writer in self._free:
            writer.close()
        self._free.clear()


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int(await reader.readline(), 16):
        body += await reader.readexactly(size)
        await reader.readline()
    await reader.readline()
    return body


async def closed_loop(client: Client, acts: Callable[[], Act], *, seconds: float, at_once: int) -> int:
    """How many requests were answered by a server that always has `at_once` acts to answer."""
    until = time.perf_counter() + seconds
    answered = 0

    async def ask() -> None:
        nonlocal answered
        while time.perf_counter() < until:
            act = acts()
            await client.do(act)
            answered += len(act.paths)

    await asyncio.gather(*(ask() for _ in range(at_once)))
    return answered


async def open_loop(client: Client, due: Sequence[tuple[float, Act]]) -> list[tuple[str, list[float]]]:
    """Kind of each act, which is due so many seconds after the start, and the latency in seconds of its requests."""
    began = time.perf_counter()

    async def get(at: float, path: str, cookie: str) -> float:
        await client.get(path, cookie)
        return time.perf_counter() - began - at

    async def ask(at: float, act: Act) -> tuple[str, list[float]]:
        return act.kind, await asyncio.gather(*(get(at, path, act.cookie) for path in act.paths))

    tasks = []
    for at, act in due:
        wait = at - (time.perf_counter() - began)
        if wait > 0:
            await asyncio.sleep(wait)
        tasks.append(asyncio.create_task(ask(at, act)))
    return list(await asyncio.gather(*tasks))
