"""Hides where big documents are read, cut and packed: in helper processes, for that holds the interpreter's lock.

What is small is done at once. A helper lives while there is work and IDLE_S longer; by ending it gives its memory back.
It ends with its parent too, whose pipe closes. Run as a script, this is that helper: it answers requests on stdin.

request = u8 what, parts       1 pack: updates   2 read, 3 cut: update, state vector
answer  = u8 done, parts       1: update, index, the places of what is left (u32)
                               2: update without what is had, u32 where deletions begin, index
                               3: what is lacking
parts   = u32 bytes of `lengths`, u64 bytes of `data`, both (see `Parts`)
done    = 1, or 0 and one part that says why. Big endian.
"""

import asyncio
import os
import struct
import sys
from array import array
from collections.abc import Iterable
from contextlib import suppress
from typing import BinaryIO

from collab.errors import MalformedUpdate
from collab.parts import Parts
from collab.room import INLINE_BYTES, Packed, Packing, cut, pack
from collab.updates import Contents, read_update

HELPERS = 2  # at most
IDLE_S = 20.0
TIMEOUT_S = 120.0
MANY = 5000  # updates: less than that are read before NumPy is loaded
NICE = 5  # behind the event loop, where they share a core
PACK, READ, CUT = 1, 2, 3
_HEAD = struct.Struct("!BIQ")


class HeavyFailed(Exception):
    """The helper died, or took too long."""


class Heavy:
    """The helpers of one event loop."""

    def __init__(self) -> None:
        self._idle: list[_Helper] = []
        self._free = asyncio.Semaphore(HELPERS)
        self._resting: asyncio.Task[None] | None = None

    async def pack(self, parts: Iterable[bytes]) -> Packing:
        """As `room.pack`. Raises: HeavyFailed, MalformedUpdate."""
        parts = parts if isinstance(parts, Parts) else Parts.of(parts)
        if len(parts.data) <= INLINE_BYTES:
            return pack(list(parts))
        update, index, left = await self._ask(PACK, parts)
        return Packing(Packed.with_index(update, index), list(memoryview(left).cast("I")))

    async def read(self, update: bytes, state_vector: bytes) -> tuple[bytes, Contents]:
        """What of `update` one with `state_vector` lacks, and what that holds. Raises: HeavyFailed, MalformedUpdate."""
        lacking, at, index = await self._ask(READ, Parts.of([update, state_vector]))
        held = Packed.with_index(b"", index)
        structs, deletions = (
            {client: list(ids.ranges(client)) for client in ids.clients()} for ids in (held.structs, held.deletions)
        )
        return lacking, Contents(structs, deletions, int.from_bytes(at))

    async def cut(self, update: bytes, state_vector: bytes) -> bytes:
        """What of `update` one with `state_vector` lacks. Raises: HeavyFailed, MalformedUpdate."""
        if len(update) <= INLINE_BYTES:
            return cut(update, state_vector)
        (found,) = await self._ask(CUT, Parts.of([update, state_vector]))
        return found

    async def close(self) -> None:
        if self._resting is not None:
            self._resting.cancel()
        while self._idle:
            await self._idle.pop().end()

    async def _ask(self, what: int, parts: Parts) -> list[bytes]:
        async with self._free:
            helper = self._take() or await _Helper.start()
            try:
                async with asyncio.timeout(TIMEOUT_S):
                    answer = await helper.ask(what, parts)
            except BaseException as exc:  # also a cancellation: what it would answer belongs to nobody
                await helper.end()
                if isinstance(exc, TimeoutError):
                    raise HeavyFailed("timed out") from exc
                raise
            self._give(helper)
        if answer[0] == b"\x00":
            raise MalformedUpdate(answer[1].decode())
        return answer[1:]

    def _take(self) -> "_Helper | None":
        while self._idle:
            if (helper := self._idle.pop()).alive:
                return helper
        return None

    def _give(self, helper: "_Helper") -> None:
        self._idle.append(helper)
        if self._resting is not None:
            self._resting.cancel()
        self._resting = asyncio.create_task(self._rest())

    async def _rest(self) -> None:
        await asyncio.sleep(IDLE_S)
        self._resting = None  # so that it can't be cancelled half-way
        await self.close()


class _Helper:
    """One process, which answers one request after the other."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls) -> "_Helper":
        environment = {"PATH": os.environ.get("PATH", ""), "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
        pipe = asyncio.subprocess.PIPE
        command = (sys.executable, "-m", "collab.heavy")
        return cls(await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, env=environment))

    async def ask(self, what: int, parts: Parts) -> list[bytes]:
        """First whether it is done (one byte), then the answer's parts. Raises: HeavyFailed."""
        to, back = self._process.stdin, self._process.stdout
        if to is None or back is None:
            raise HeavyFailed("the helper has no pipes")
        try:
            to.writelines(_message(what, parts))
            await to.drain()
            done, lengths, data = _HEAD.unpack(await back.readexactly(_HEAD.size))
            framed = await back.readexactly(lengths + data)
            return [bytes([done]), *Parts(framed[lengths:], framed[:lengths])]
        except (OSError, asyncio.IncompleteReadError) as exc:
            raise HeavyFailed("the helper died") from exc

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    async def end(self) -> None:
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()


def _message(first: int, parts: Parts) -> tuple[bytes, bytes, bytes]:
    return _HEAD.pack(first, len(parts.lengths), len(parts.data)), parts.lengths, parts.data


def _answer(what: int, request: Parts) -> list[bytes]:
    if what == PACK:
        packing = _pack(request)
        return [packing.packed.update, packing.packed.index(), array("I", packing.left).tobytes()]
    parts = list(request)
    if what == CUT:
        return [cut(*parts)]
    lacking = parts[0] if parts[1] == b"\x00" else cut(*parts)
    contents = read_update(lacking)
    held = Packed()
    held.structs.update(contents.structs)
    held.deletions.update(contents.deletions)
    return [lacking, contents.deletions_at.to_bytes(4), held.index()]


def _pack(parts: Parts) -> Packing:
    if len(parts) < MANY:
        return pack(list(parts))
    from collab.keystrokes import pack_many  # NumPy is loaded where it pays

    return pack_many(parts)


def _serve(requests: BinaryIO, answers: BinaryIO) -> None:
    while head := requests.read(_HEAD.size):
        what, lengths, data = _HEAD.unpack(head)
        parts = Parts(lengths=requests.read(lengths), data=requests.read(data))
        try:
            done, answer = 1, Parts.of(_answer(what, parts))
        except MalformedUpdate as exc:
            done, answer = 0, Parts.of([str(exc).encode()])
        answers.writelines(_message(done, answer))
        answers.flush()


if __name__ == "__main__":
    os.nice(NICE)
    _serve(sys.stdin.buffer, sys.stdout.buffer)
