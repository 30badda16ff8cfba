"""Hides where arrays lie that are too large for memory: in a scratch file, held by the kernel as far as it has room.

The file has no name and goes with the array. What a process touched counts as its memory until it lets go of it.
"""

import mmap
import os
import tempfile
from math import prod

import numpy as np
import numpy.typing as npt

from backend.core.errors import PartUnavailable

IN_MEMORY_BYTES = 64 * 1024 * 1024
Bytes = npt.NDArray[np.uint8]


class ScratchFull(PartUnavailable):
    """The disk for scratch files has no room for a large picture."""

    def __init__(self) -> None:
        super().__init__("There is no room on the disk for a picture of this size. Try again later.", part="scratch")


def is_large(shape: tuple[int, ...]) -> bool:
    """Whether an array of that many bytes is kept in a file."""
    return prod(shape) > IN_MEMORY_BYTES


def empty(shape: tuple[int, ...]) -> Bytes:
    """An array of bytes; those of a large one are zero. Raises ScratchFull."""
    if not is_large(shape):
        return np.empty(shape, np.uint8)
    with tempfile.TemporaryFile() as file:
        try:
            os.posix_fallocate(file.fileno(), 0, prod(shape))  # now: a full disk ends a process that writes to the map
        except OSError as exc:
            raise ScratchFull from exc
        return np.memmap(file, np.uint8, "r+", shape=shape)


def let_go(array: Bytes) -> None:
    """Count what was touched of it as this process's memory no longer. Nothing is lost: it is in the file."""
    mapping: mmap.mmap | None = getattr(array, "_mmap", None)
    if mapping is not None:
        mapping.madvise(mmap.MADV_DONTNEED)
