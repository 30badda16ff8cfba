"""Hides where big documents are merged: a helper process, for the Yjs library holds the interpreter's lock.

One short-lived process a job: it gives its memory back, and dies with its parent, whose pipe ends. Run as a script, it
is that process: it reads parts from stdin and writes the one update that holds them all to stdout.
"""

import asyncio
import os
import sys
from collections.abc import Sequence

from collab.errors import MalformedUpdate, RoomBroken
from collab.room import Room

INLINE_BYTES = 256 * 1024  # about 7 ms of work; starting a process costs about 100 ms elsewhere
TIMEOUT_S = 120.0


class HeavyFailed(Exception):
    """The helper died or found a part that the library cannot read."""


async def merge(parts: Sequence[bytes]) -> bytes:
    """One update that holds all `parts`, as a document does: what is superseded is dropped. Raises: HeavyFailed."""
    if sum(map(len, parts)) <= INLINE_BYTES:
        return _merge(parts)
    environment = {"PATH": os.environ.get("PATH", ""), "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    helper = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "collab.heavy",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=environment,
    )
    try:
        body = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
        merged, _ = await asyncio.wait_for(helper.communicate(body), TIMEOUT_S)
    except TimeoutError as exc:
        raise HeavyFailed("timed out") from exc
    finally:
        if helper.returncode is None:
            helper.kill()
    if helper.returncode:
        raise HeavyFailed(f"exit {helper.returncode}")
    return merged


def _merge(parts: Sequence[bytes]) -> bytes:
    try:
        return Room(parts, max_bytes=sys.maxsize).snapshot()
    except (MalformedUpdate, RoomBroken) as exc:
        raise HeavyFailed(type(exc).__name__) from exc


def _read(body: bytes) -> list[bytes]:
    parts, at = [], 0
    while at < len(body):
        size = int.from_bytes(body[at : at + 4], "big")
        parts.append(body[at + 4 : at + 4 + size])
        at += 4 + size
    return parts


if __name__ == "__main__":
    sys.stdout.buffer.write(_merge(_read(sys.stdin.buffer.read())))
