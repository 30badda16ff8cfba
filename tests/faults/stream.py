"""Follows a project's events as a browser's EventSource does: it comes back, with the last id that it heard."""

import http.client
import json
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import urlsplit

from tests.faults.ledger import Attempt, Ledger

PAUSE_S = 0.3
SILENCE_S = 20.0  # the stream says something every 15 s


class Follower(threading.Thread):
    """Writes each frame, and each loss of the stream, down as an attempt of "follow"; `told` has the ids of things."""

    def __init__(self, url: str, path: str, cookies: Mapping[str, str], ledger: Ledger) -> None:
        super().__init__(name="follower", daemon=True)
        self.told: set[str] = set()
        self._address, self._path, self._ledger = urlsplit(url).netloc, path, ledger
        self._cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
        self._last_id = ""
        self._stopping = threading.Event()
        self._connection: http.client.HTTPConnection | None = None

    def stop(self) -> None:
        self._stopping.set()
        connection = self._connection
        if connection is not None and connection.sock is not None:
            with suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)  # else it would wait for the next word
        self.join()

    def run(self) -> None:
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                why = self._listen()
            except (OSError, http.client.HTTPException) as exc:
                why = repr(exc)
            if not self._stopping.wait(PAUSE_S):
                self._ledger.attempts.append(Attempt("follow", began, time.monotonic(), why))

    def _listen(self) -> str:
        """Until the stream ends; why it did."""
        headers = {"Cookie": self._cookie} | ({"Last-Event-ID": self._last_id} if self._last_id else {})
        self._connection = http.client.HTTPConnection(self._address, timeout=SILENCE_S)
        try:
            self._connection.request("GET", self._path, headers=headers)
            with self._connection.getresponse() as answer:
                if answer.status != 200:
                    return f"answered {answer.status}"
                for line in answer:
                    self._hear(*line.decode().rstrip("\n").partition(": ")[::2])
            return "the stream ended"
        finally:
            self._connection.close()

    def _hear(self, name: str, value: str) -> None:
        now = time.monotonic()
        if name == "id":
            self._last_id = value
        elif name == "data":
            self._ledger.attempts.append(Attempt("follow", now, now, ""))
            if "id" in (thing := json.loads(value)):
                self.told.add(thing["id"])
