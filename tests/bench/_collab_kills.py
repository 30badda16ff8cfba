"""Measures what is lost of what was acknowledged when server, PostgreSQL and Valkey are killed under writers' hands."""

import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import psycopg

from backend.embedded.plan import free_port
from tests.bench._collab_servers import PEERS, Backing, Row, Server, ours, peer, signed_documents
from tests.contract.packages import NODE

DOCUMENTS, WRITERS, HZ = 5, 25, 10
SEED = 5
EVERY_S, THEIRS_S = (0.5, 3.0), (4.0, 16.0)  # between two kills; Hocuspocus stores after 2 to 10 s
PROMISES = ("fsync", "synchronous_commit", "full_page_writes")


def kills(backing: Backing, core: int, *, quick: bool) -> list[Row]:
    """Kill one after the other, at moments drawn from a seed."""
    with psycopg.connect(backing.plan.database_url("system")) as connection:
        for name in PROMISES:
            assert connection.execute(f"SHOW {name}").fetchone() == ("on",), name
    count = 3 if quick else 50
    names, headers = signed_documents(DOCUMENTS)
    port = free_port(taken=set())
    victims = [("server", "postgres", "valkey")[number % 3] for number in range(count)]
    acknowledged, lost = _play(lambda: ours(backing, core, port=port), names, headers, victims, EVERY_S, backing)
    with tempfile.TemporaryDirectory(prefix="atelier-bench-") as folder:
        store = Path(folder) / "hocuspocus.sqlite"
        start = peer(
            "Hocuspocus with a store", "hocuspocus", lambda at, _: _stored(at, store), port=free_port(taken={port})
        )
        theirs, their_loss = _play(
            lambda: start(Path(folder), core), names, {}, ["server"] * (1 if quick else 8), THEIRS_S
        )
    beside = (
        f"{acknowledged:,} acknowledged; Hocuspocus with a store lost {their_loss:,} of {theirs:,} "
        f"({their_loss / max(1, theirs):.0%})"
    )
    return [Row(f"acknowledged and lost in {count} × kill -9", lost, "", 0, beside)]


def _stored(port: int, store: Path) -> list[str]:
    return [str(NODE), str(PEERS / "hocuspocus.mjs"), str(port), str(store), "debounced"]


def _play(
    start: Callable[[], AbstractContextManager[Server]],
    rooms: Sequence[str],
    headers: dict[str, str],
    victims: Sequence[str],
    every_s: tuple[float, float],
    backing: Backing | None = None,
) -> tuple[int, int]:
    """How many characters were acknowledged, and how many of them are gone."""
    draw = random.Random(SEED)
    life = ExitStack()
    with life:
        server = life.enter_context(start())
        spec = {"protocol": server.protocol, "urls": [server.url], "rooms": rooms, "headers": headers}
        command = [str(NODE), str(PEERS / "writers.mjs"), json.dumps({**spec, "writers": WRITERS, "hz": HZ})]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as load:
            for victim in (*victims, ""):
                time.sleep(draw.uniform(*every_s))
                print(f"  kills: {server.name}: {victim}", file=sys.stderr)
                if victim == "server":
                    server.process.kill()
                    life.close()
                    server = life.enter_context(start())
                elif victim and backing is not None:
                    backing.kill(victim)
            said = json.loads(load.communicate("\n")[0])
        server.process.kill()
        life.close()
        server = life.enter_context(start())
        spec = {"protocol": server.protocol, "url": server.url, "headers": headers}
        command = [str(NODE), str(PEERS / "lost.mjs"), json.dumps(spec)]
        found = subprocess.run(command, input=json.dumps(said["safe"]), check=True, capture_output=True, text=True)
    return said["acknowledged"], int(found.stdout)
