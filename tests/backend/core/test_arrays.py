"""Arrays that lie in a scratch file: as any other, but not this process's memory."""

import gc
import os
from pathlib import Path

import numpy as np
import psutil
import pytest

from backend.core import arrays
from backend.core.arrays import ScratchFull

SHAPE = (6000, 6000, 3)


def deleted_files() -> int:
    """Mapped ones, of which no name is left."""
    return Path("/proc/self/maps").read_text().count("(deleted)")


def test_small_ones_are_in_memory() -> None:
    """No file is made for them."""
    assert not isinstance(arrays.empty((100, 100, 3)), np.memmap)


def test_a_large_one_takes_no_memory_and_loses_nothing() -> None:
    """What was written stays after it was let go of, also through a view; and the file goes with the array."""
    process, files = psutil.Process(), deleted_files()
    before = process.memory_info().rss
    array = arrays.empty(SHAPE)
    for row in range(0, SHAPE[0], 500):
        array[row : row + 500] = row // 500
        arrays.let_go(array[:10])
    assert process.memory_info().rss - before < 30e6
    assert [int(array[row, -1, 2]) for row in range(250, SHAPE[0], 500)] == list(range(12))
    assert deleted_files() == files + 1
    del array
    gc.collect()
    assert deleted_files() == files


def test_a_full_disk_is_said_before_anything_is_written() -> None:
    """An error that passes, and no signal that ends the process at the first page without room."""
    most = os.statvfs("/tmp")  # noqa: S108 - asked for its size alone
    with pytest.raises(ScratchFull, match="no room"):
        arrays.empty((most.f_blocks, most.f_frsize, 16))
