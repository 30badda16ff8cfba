"""Hides memory that we share with a Triton on this machine, so that tiles need not go through a socket.

Triton maps what it is told the name of; when it has, the name is taken away again, so that whoever dies leaves nothing
behind. A Triton elsewhere can't map it, nor one of another user: then there is none, and pictures go over the wire.
Source: Triton's system shared memory extension, https://github.com/triton-inference-server/server (docs/protocol).
"""

import mmap
import os
import re
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import structlog
from tritonclient.utils import InferenceServerException  # type: ignore[import-untyped]  # ships no types

from backend.core.arrays import Bytes

log = structlog.get_logger()
_FOLDER = Path("/dev/shm")  # noqa: S108  # where POSIX puts it on Linux; no file of a guessable name is made
# Then the process that made it: its number says something only among those that see each other.
_PREFIX = f"atelier_tiles_{Path('/proc/self/ns/pid').stat().st_ino}_"
_STEP = 1 << 20  # bytes
_AGAIN_S = 60.0  # after so long it is tried again whether Triton is on this machine
_SETTLES_S = 60.0  # after so long Triton writes no more for a request whose answer nobody heard
_MOST_LEFT = 8  # regions that are waited for so
_CONTROL_S = 2.0  # for what takes no time
_LOST = re.compile("^Unable to find .*shared memory region")


@dataclass(slots=True, eq=False)
class Region:
    """Of it a run has one while it waits for a tile's answer."""

    name: str
    size: int
    map: mmap.mmap
    left_at: float = 0.0

    def view(self, shape: tuple[int, ...], *, offset: int) -> Bytes:
        return np.ndarray(shape, np.uint8, buffer=self.map, offset=offset)


class Shared:
    """The regions of one client. Used in one event loop."""

    def __init__(self, stub: Any) -> None:
        self._stub = stub
        self._free: list[Region] = []
        self._left: list[Region] = []  # whose request ended without an answer
        self._most = 0  # bytes that were asked for, until now
        self._not_before = 0.0
        self._swept = False

    @asynccontextmanager
    async def region(self, size: int) -> AsyncIterator[Region | None]:
        """Of at least that size, in bytes. None where Triton can't see it, or there is no room.

        One whose user fails is not used again until Triton can't be writing to it any more.
        """
        region = await self._taken(size)
        try:
            yield region
        except BaseException as exc:
            if region is not None and not is_lost(exc):
                self._leave(region)
            raise
        if region is not None:
            self._free.append(region)

    async def close(self) -> None:
        """Have Triton let go of all."""
        self._left, self._free = [*self._left, *self._free], []
        for region in self._left:
            with suppress(InferenceServerException):
                await self._unregister(region.name)

    async def _taken(self, size: int) -> Region | None:
        if not size:
            return None
        await self._let_go()
        while self._free:
            region = self._free.pop()
            if region.size >= size:
                return region
            self._left.insert(0, region)  # nobody writes to it: it goes at once
        if len(self._left) >= _MOST_LEFT or time.monotonic() < self._not_before:
            return None
        made = await self._made(max(self._most, -(-size // _STEP) * _STEP))
        if made is not None:
            self._most = made.size
        return made

    async def _made(self, size: int) -> Region | None:
        name = f"{_PREFIX}{os.getpid()}_{secrets.token_hex(8)}"
        path = _FOLDER / name
        try:
            file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
            try:
                os.posix_fallocate(file, 0, size)  # now: to write where there is no room would end the process
                region = Region(name, size, mmap.mmap(file, size))
            finally:
                os.close(file)
            try:
                await self._stub.register_system_shared_memory(name, f"/{name}", size, client_timeout=_CONTROL_S)
            except BaseException:  # it may have been mapped all the same
                self._leave(region)
                raise
        except (OSError, InferenceServerException) as exc:
            if "UNAVAILABLE" not in str(exc):  # a Triton that is away may be back soon
                self._not_before = time.monotonic() + _AGAIN_S
                log.info("inference.not_shared", reason=str(exc))
            return None
        finally:
            with suppress(OSError):
                path.unlink()
        await self._sweep()
        return region

    def _leave(self, region: Region) -> None:
        region.left_at = time.monotonic()
        self._left.append(region)

    async def _let_go(self) -> None:
        """Of what was left long enough ago."""
        while self._left and time.monotonic() - self._left[0].left_at > _SETTLES_S:
            region = self._left.pop(0)
            try:
                await self._unregister(region.name)
            except InferenceServerException:  # it is away, or still writes
                self._leave(region)
                break
            except BaseException:
                self._left.insert(0, region)
                raise

    async def _sweep(self) -> None:
        """Have Triton, which is on this machine, let go of what processes left that were killed."""
        if self._swept:
            return
        self._swept = True
        with suppress(InferenceServerException):
            status = await self._stub.get_system_shared_memory_status(client_timeout=_CONTROL_S)
            for name in list(status.regions):
                process = name.removeprefix(_PREFIX).partition("_")[0]
                if name.startswith(_PREFIX) and not psutil.pid_exists(int(process)):
                    with suppress(InferenceServerException):  # a tile of it is still being computed
                        await self._unregister(name)

    async def _unregister(self, name: str) -> None:
        await self._stub.unregister_system_shared_memory(name, client_timeout=_CONTROL_S)


def is_lost(exc: BaseException) -> bool:
    """Whether Triton does not know the region, as after it was started anew."""
    return isinstance(exc, InferenceServerException) and _LOST.search(exc.message()) is not None
