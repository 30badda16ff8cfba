"""Lays the process's memory on large pages: what lies scattered is found sooner after a rest.

A server that wakes often for a little work waits for its memory more than it computes: of 4 KiB pages
it needs thousands, and each is looked up through tables that are themselves no longer in the cache. Linux only; where
the kernel has no large pages, or does not give them, nothing happens. Source: madvise(2), MADV_COLLAPSE (Linux 6.1).
"""

import ctypes
import re
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

PAGE_BYTES = 2 * 1024 * 1024
HUGEPAGE, COLLAPSE = 14, 25
FIRST_S, AGAIN_S = 5.0, 30.0
_REGION = re.compile(r"([0-9a-f]+)-([0-9a-f]+) rw-p \S+ 00:00 0 +(\[heap\])?$")


def keep_on_large_pages() -> None:
    """Beside the process's work, soon and then from time to time: what comes lies on small ones at first."""

    def go_on() -> None:
        time.sleep(FIRST_S)
        while True:
            use_large_pages()
            time.sleep(AGAIN_S)

    threading.Thread(target=go_on, name="large pages", daemon=True).start()


def use_large_pages() -> int:
    """Ask for them for all that the process has so far; how many bytes lie on them then."""
    if sys.platform != "linux":
        return 0
    libc = ctypes.CDLL(None, use_errno=True)
    done = 0
    for start, end in _regions():
        length = end - start
        if libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(length), HUGEPAGE) == 0:
            for at in range(start, end, PAGE_BYTES):
                if libc.madvise(ctypes.c_void_p(at), ctypes.c_size_t(PAGE_BYTES), COLLAPSE) == 0:
                    done += PAGE_BYTES
    return done


def _regions() -> Iterator[tuple[int, int]]:
    """The whole large pages in what was allocated."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        if found := _REGION.match(line):
            start, end = int(found[1], 16), int(found[2], 16)
            start, end = -(-start // PAGE_BYTES) * PAGE_BYTES, end // PAGE_BYTES * PAGE_BYTES
            if start < end:
                yield start, end
