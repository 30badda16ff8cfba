"""Hides memory that we share with a Triton on this machine, so that tiles need not go through a socket.

Triton maps what it is told the name of; when it has, the name is taken away again, so that whoever dies leaves nothing
behind. A Triton elsewhere can't map it, nor one of another user: then there is none, and pictures go over the wire.
Source: Triton's system shared memory extension, https://github.com/triton-inference-server/server (docs/protocol).
"""

import mmap
import os
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import psutil
import structlog
from tritonclient.utils import InferenceServerException  # type: ignore[import-untyped]  # ships no types

from backend.core.arrays import Bytes

log = structlog.get_logger()
_FOLDER = Path("/dev/shm")  # noqa: S108  # where POSIX puts it on Linux; no file of a guessable name is made
_PREFIX = "atelier_tiles_"  # then the process that made it
_STEP = 1 << 20  # bytes
_AGAIN_S = 60.0  # after so long it is tried again whether Triton is on this machine
_SETTLES_S = 60.0  # after so long Triton writes no more for a request whose answer nobody heard
_MOST_LEFT = 8  # regions that are waited for so


class Memory(Protocol):
    """Triton's side of it; what goes wrong there is an InferenceServerException."""

    async def register(self, name: str, key: str, size: int) -> None: ...
    async def unregister(self, name: str) -> None: ...
    async def names(self) -> list[str]: ...


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

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
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
                region.left_at = time.monotonic()
                self._left.append(region)
            raise
        if region is not None:
            self._free.append(region)

    async def close(self) -> None:
        for region in (*self._free, *self._left):
            await self._drop(region)

    async def _taken(self, size: int) -> Region | None:
        if not size:
            return None
        while self._left and time.monotonic() - self._left[0].left_at > _SETTLES_S:
            await self._drop(self._left.pop(0))
        while self._free:
            region = self._free.pop()
            if region.size >= size:
                return region
            await self._drop(region)
        if len(self._left) >= _MOST_LEFT or time.monotonic() < self._not_before:
            return None
        self._most = max(self._most, -(-size // _STEP) * _STEP)
        return await self._made(self._most)

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
            await self._sweep()
            await self._memory.register(name, f"/{name}", size)
        except (OSError, InferenceServerException) as exc:
            if "UNAVAILABLE" not in str(exc):  # a Triton that is away may be back soon
                self._not_before = time.monotonic() + _AGAIN_S
                log.info("inference.not_shared", reason=str(exc))
            return None
        finally:
            with suppress(OSError):
                path.unlink()
        return region

    async def _sweep(self) -> None:
        """Have Triton let go of what processes left that were killed."""
        if not self._swept:
            self._swept = True
            for name in await self._memory.names():
                process = name.removeprefix(_PREFIX).partition("_")[0]
                if name.startswith(_PREFIX) and not psutil.pid_exists(int(process)):
                    await self._memory.unregister(name)

    async def _drop(self, region: Region) -> None:
        with suppress(InferenceServerException):
            await self._memory.unregister(region.name)


def is_lost(exc: BaseException) -> bool:
    """Whether Triton does not know the region, as after it was started anew."""
    return isinstance(exc, InferenceServerException) and "shared memory region" in exc.message()
