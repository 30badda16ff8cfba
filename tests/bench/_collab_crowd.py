"""Measures what a crowd costs that only looks: idle sockets, and all that come back at once after a restart."""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from backend.embedded.plan import free_port
from tests.bench._collab_servers import PEERS, Backing, Row, ours, signed_documents
from tests.contract.packages import NODE

SETTLE_S = 5.0
IDLE_KB, IDLE_SHARE, STORM_S = 25.0, 0.1, 10.0


class Crowd:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def state(self) -> dict[str, Any]:
        self.say("")
        return dict(json.loads(self.read()))


@contextmanager
def crowd(url: str, count: int, *, documents: int) -> Iterator[tuple[Crowd, float]]:
    """`count` sockets, evenly on so many documents; and the seconds until all were in sync."""
    names, headers = signed_documents(documents)
    urls = [f"{url}/{names[number % documents]}" for number in range(count)]
    spec = {"urls": urls, "headers": headers, "at_once": 50, "back": True}
    load = subprocess.Popen(
        [str(NODE), str(PEERS / "crowd.mjs")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        made = Crowd(load)
        made.say(json.dumps(spec))
        yield made, float(made.read().removeprefix("opened"))
    finally:
        load.kill()
        load.wait()


def idle(backing: Backing, core: int, *, quick: bool) -> list[Row]:
    count, measure_s = (2000, 25.0) if quick else (10_000, 75.0)
    with ours(backing, core) as server:
        before = server.process.memory_full_info().uss
        with crowd(server.url, count, documents=100) as (people, took_s):
            time.sleep(SETTLE_S)
            each_kb = (server.process.memory_full_info().uss - before) / count / 1024
            spent_s = server.cpu_s()
            time.sleep(measure_s)
            share = (server.cpu_s() - spent_s) / measure_s
            state = people.state()
    beside = f"{count:,} sockets on 100 documents, signed in within {took_s:.0f} s"
    return [
        Row("idle: memory of a socket", each_kb, "KB", IDLE_KB, beside),
        Row("idle: share of a core", share, "", IDLE_SHARE, f"each hears something every 25 s; {count:,} sockets"),
        Row("idle: sockets lost", count - state["in_sync"] + state["errors"], "", 0, ""),
    ]


def storm(backing: Backing, core: int, *, quick: bool) -> list[Row]:
    """All come back, as stock clients do, when the server that they were on has been killed and started again."""
    count = 500 if quick else 2000
    port = free_port(taken=set())
    with ours(backing, core, port=port) as server, crowd(server.url, count, documents=50) as (people, _):
        server.process.kill()
        server.process.wait()
        with ours(backing, core, port=port):
            began, state = time.monotonic(), people.state()
            while state["in_sync"] < count and time.monotonic() - began < 60:
                time.sleep(0.05)
                state = people.state()
            took_s = time.monotonic() - began
    beside = f"{count:,} clients; the longest was away for {state['worst_s']:.1f} s, start of the server included"
    return [
        Row("storm: until all are in sync again", took_s, "s", STORM_S, beside),
        Row("storm: refused, or closed otherwise", state["errors"], "", 0, ""),
    ]
