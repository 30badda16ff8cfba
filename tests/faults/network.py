"""Hides the network that faults are made on: a link of our own between two programs, and the kernel's filter."""

import asyncio
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from backend.embedded.plan import HOST

CHUNK_BYTES = 64 * 1024


class Link:
    """Carries TCP from `port` to `target` on this machine: at once, late, or not at all. It has a thread of its own."""

    def __init__(self, *, port: int, target: int) -> None:
        self.port, self._target = port, target
        self.delay_s = 0.0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="link", daemon=True)
        self._thread.start()
        self.mend()

    def mend(self) -> None:
        """Carry again."""
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)

    def cut(self) -> None:
        """Reset what is open, refuse what comes."""
        asyncio.run_coroutine_threadsafe(self._abort(), self._loop).result(10)

    def close(self) -> None:
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._carry, HOST, self.port)

    async def _abort(self) -> None:
        if self._server:
            self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.sleep(0.05)  # for the carriers to see it and end

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(HOST, self._target)
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, far_writer}
        self._writers |= ends
        try:
            await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))
        finally:
            self._writers -= ends
            for end in ends:
                end.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        due = 0.0
        with suppress(OSError):
            while data := await reader.read(CHUNK_BYTES):
                due = max(due, self._loop.time() + self.delay_s)  # what comes later never overtakes
                if self.delay_s:
                    self._loop.call_at(due, writer.write, data)
                else:
                    writer.write(data)
        if writer.can_write_eof() and not writer.transport.is_closing():
            self._loop.call_at(due, writer.transport.abort)


@contextmanager
def filtered(rules: Sequence[str]) -> Iterator[None]:
    """The kernel's filter has `rules`, in nft's words, on all that this machine sends."""
    if not shutil.which("nft") or os.geteuid() != 0:
        raise RuntimeError("Faults of the network need root and nft. On Debian: apt-get install nftables")
    table = f"atelier_faults_{os.getpid()}"
    chain = "\n".join(["type filter hook output priority 0;", *rules])
    _nft(f"table inet {table} {{\nchain out {{\n{chain}\n}}\n}}")
    try:
        yield
    finally:
        _nft(f"delete table inet {table}")


def _nft(script: str) -> None:
    subprocess.run(["nft", "-f", "-"], input=script, check=True, capture_output=True, text=True)


def lost(port: int, *, percent: int) -> list[str]:
    """Rules that lose some packets from and to `port`."""
    return [f"tcp {end} {port} numgen random mod 100 < {percent} drop" for end in ("dport", "sport")]


def silent(port: int) -> list[str]:
    return [f"tcp {end} {port} drop" for end in ("dport", "sport")]


def refused(port: int) -> list[str]:
    return [f"tcp {end} {port} reject with tcp reset" for end in ("dport", "sport")]
