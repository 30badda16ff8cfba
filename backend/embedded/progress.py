"""Hides how the start is shown: one line a step with the time it took."""

import sys
import threading
import time
from typing import TextIO


class Progress:
    """Lines to a person; safe from many threads."""

    def __init__(self, out: TextIO = sys.stdout) -> None:
        self._out = out
        self._lock = threading.Lock()
        self._began = time.monotonic()

    def done(self, name: str, took_s: float) -> None:
        self.say(f"  ✓ {name:<12}{took_s:6.1f} s")

    def note(self, text: str) -> None:
        self.say(f"  {time.strftime('%H:%M:%S')}  {text}")

    def say(self, text: str) -> None:
        with self._lock:
            print(text, file=self._out, flush=True)

    def elapsed_s(self) -> float:
        return time.monotonic() - self._began


class Silent(Progress):
    """Says nothing: for tests."""

    def say(self, text: str) -> None:
        return None
