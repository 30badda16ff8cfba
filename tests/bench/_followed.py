"""Hides a project's event stream, as jobs that ended."""

import json
import queue
import threading
import time
from contextlib import suppress
from typing import Any

import httpx


class Followed:
    """Each job of the project that ended, with the moment at which we heard of it, by `time.perf_counter`."""

    def __init__(self, client: httpx.Client, project: str) -> None:
        self.ended: queue.SimpleQueue[tuple[dict[str, Any], float]] = queue.SimpleQueue()
        self._stream = client.stream("GET", f"{project}/events", timeout=None)
        self._lines = self._stream.__enter__().iter_lines()
        threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self) -> None:
        kind = ""
        with suppress(httpx.TransportError, httpx.StreamError):  # the stack was stopped
            for line in self._lines:
                name, _, value = line.partition(": ")
                if name == "event":
                    kind = value
                elif name == "data" and kind == "job":
                    job = json.loads(value)
                    if job["finished_at"]:
                        self.ended.put((job, time.perf_counter()))

    def next(self, timeout_s: float = 120.0) -> tuple[dict[str, Any], float]:
        """Raises: queue.Empty, RuntimeError where it did not succeed."""
        job, at = self.ended.get(timeout=timeout_s)
        if job["state"] != "succeeded":
            raise RuntimeError(f"a job ended as {job['state']}: {job['error']}")
        return job, at
