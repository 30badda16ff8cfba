"""Watches how much memory the processes of a stack have."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psutil


@contextmanager
def watched() -> Iterator[dict[str, float]]:
    """The most memory that each process below this one had, in bytes, by its command."""
    most: dict[str, float] = {}
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(0.1):
            for process in psutil.Process().children(recursive=True):
                try:
                    name, used = " ".join(process.cmdline()[1:6]) or process.name(), process.memory_info().rss
                except psutil.Error:
                    continue
                most[name] = max(most.get(name, 0.0), used)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield most
    finally:
        stop.set()
        thread.join()


def of_worker(most: dict[str, float]) -> float:
    return max(used for name, used in most.items() if "celery" in name)
