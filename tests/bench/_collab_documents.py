"""Measures large documents: how soon they open, what they hold of memory, and what they cost other rooms meanwhile."""

import json
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg

from backend.core import ids
from tests.bench._collab_deliveries import Shape, drive
from tests.bench._collab_servers import PEERS, Backing, Row, Server, ours, signed_documents, until
from tests.contract.packages import NODE

AUTHORS = 20
COMPACTION_S = 180.0
UNCOMPACTED_MS = 3000.0
NEIGHBOURS, NEIGHBOURS_MS = Shape(20, 5, 2, 1.0), 20.0
HELD_MB, KEPT_SHARE, AWAY_S = 8.0, 0.1, 75.0


@dataclass(frozen=True, slots=True)
class Written:
    """What some authors wrote, update by update."""

    updates: list[bytes]
    chars: int
    encoded_bytes: int


def written(*, edits: int, chars: int = 1) -> Written:
    """By AUTHORS; each edit inserts so many characters, or deletes one."""
    with tempfile.TemporaryDirectory(prefix="atelier-bench-") as folder:
        file = Path(folder) / "updates"
        options = json.dumps({"edits": edits, "authors": AUTHORS, "chars": chars})
        said = subprocess.run(
            [str(NODE), str(PEERS / "edits.mjs"), str(file), options], check=True, capture_output=True, text=True
        )
        data, at, updates = file.read_bytes(), 0, []
    while at < len(data):
        (length,) = struct.unpack_from("<I", data, at)
        updates.append(data[at + 4 : at + 4 + length])
        at += 4 + length
    found = json.loads(said.stdout)
    return Written(updates, found["chars"], found["encoded"])


def fill(backing: Backing, name: str, updates: Sequence[bytes]) -> None:
    """Put as many rows into the journal as there are updates, from behind the server's back."""
    document_id, writer = ids.parse("doc", name), uuid.uuid4()
    with psycopg.connect(backing.plan.database_url("superuser")) as connection:
        found = connection.execute("SELECT workspace_id FROM projects_document WHERE id = %s", [document_id])
        (workspace_id,) = found.fetchone() or (None,)
        copy = "COPY collab_update (document_id, workspace_id, data, writer, seq) FROM STDIN (FORMAT BINARY)"
        with connection.cursor() as cursor, cursor.copy(copy) as rows:
            rows.set_types(["uuid", "uuid", "bytea", "uuid", "int8"])
            for number, update in enumerate(updates):
                rows.write_row((document_id, workspace_id, update, writer, number))
        connection.commit()
        connection.autocommit = True
        connection.execute("VACUUM ANALYZE collab_update")


def until_compacted(backing: Backing, names: Sequence[str]) -> None:
    query = "SELECT count(*) FROM collab_update WHERE document_id = ANY(%s)"
    documents = [ids.parse("doc", name) for name in names]
    with psycopg.connect(backing.plan.database_url("superuser"), autocommit=True) as connection:
        until(lambda: connection.execute(query, [documents]).fetchone() == (0,), COMPACTION_S)


def opened(
    server: Server,
    names: Sequence[str],
    headers: dict[str, str],
    chars: int = 0,
    vector: Sequence[tuple[int, int]] = (),
) -> list[float]:
    """Milliseconds from the socket's opening until a stock client has all, or what follows a state vector."""
    spec = {"urls": [f"{server.url}/{name}" for name in names], "headers": headers, "chars": chars}
    spec |= {"vector": vector} if vector else {}
    said = subprocess.run(
        [str(NODE), str(PEERS / "open.mjs"), json.dumps(spec)], check=True, capture_output=True, text=True, timeout=120
    )
    return [float(line) for line in said.stdout.split()]


def opening(backing: Backing, core: int, *, quick: bool) -> list[Row]:
    """A room that is cold, in a process that is not: another document was open in it."""
    found = []
    (other,), others_headers = signed_documents(1)
    for edits, bar_ms in ((100_000, 100.0),) if quick else ((100_000, 100.0), (1_000_000, 300.0)):
        what = written(edits=edits)
        (name,), headers = signed_documents(1)
        fill(backing, name, what.updates)
        with ours(backing, core) as server:
            opened(server, [other], others_headers)
            (before_ms,) = opened(server, [name], headers, what.chars)
            until_compacted(backing, [name])
        after_ms = []
        for _ in range(3):
            with ours(backing, core) as server:
                opened(server, [other], others_headers)
                after_ms += opened(server, [name], headers, what.chars)
        beside = f"{what.encoded_bytes / 1e6:.1f} MB encoded"
        found += [
            Row(f"opening {edits:,} updates", statistics.median(after_ms), "ms", bar_ms, beside),
            Row(f"opening {edits:,} updates, never compacted", before_ms, "ms", UNCOMPACTED_MS, beside),
        ]
        print(f"  opening {edits:,}: {before_ms:.0f} ms, compacted {after_ms}", file=sys.stderr)
    return found


def memory(backing: Backing, core: int, *, quick: bool) -> list[Row]:
    """Of documents that stay open, some at a time, so that one's share is not lost in the process's own."""
    count = 4 if quick else 16
    what = written(edits=100_000, chars=6)
    names, headers = signed_documents(count)
    for name in names:
        fill(backing, name, what.updates)
    with ours(backing, core) as server:
        opened(server, names, headers, what.chars)
        until_compacted(backing, names)
    with ours(backing, core) as server:
        (other,), others_headers = signed_documents(1)
        opened(server, [other], others_headers)  # what a process loads for its first document
        before = _mb(server)
        spec = {"urls": [f"{server.url}/{name}" for name in names], "headers": headers, "chars": what.chars, "held": 1}
        command = [str(NODE), str(PEERS / "open.mjs"), json.dumps(spec)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as load:
            assert load.stdout is not None
            for _ in names:
                load.stdout.readline()
            time.sleep(5)
            held = (_mb(server) - before) / count
        time.sleep(AWAY_S)
        kept = (_mb(server) - before) / count
    beside = f"{what.encoded_bytes / 1e6:.2f} MB encoded, 100,000 edits; {count} open"
    return [
        Row("memory: of an open document", held, "MB", HELD_MB, beside),
        Row("memory: kept after it closed", kept / held, "of that", KEPT_SHARE, f"{AWAY_S:.0f} s later: {kept:.2f} MB"),
    ]


def neighbours(backing: Backing, core: int, *, quick: bool) -> list[Row]:
    """People work in twenty rooms while a document of 20 MB opens, compacts and is asked for what follows a vector."""
    what = written(edits=50_000 if quick else 250_000, chars=80)
    still: list[float] = []
    moving: list[float] = []
    lost = 0
    with ours(backing, core) as server:
        for _ in range(1 if quick else 3):
            (name,), headers = signed_documents(1)
            fill(backing, name, what.updates)
            still.append(drive(server, NEIGHBOURS, quick=quick).said["p99_ms"])

            def work(name: str = name, headers: dict[str, str] = headers) -> None:
                took = opened(server, [name], headers, what.chars)
                took += opened(server, [name] * 3, headers, vector=[(1000, 5)])
                print(f"  neighbours: opened and diffed in {took} ms", file=sys.stderr)

            run = drive(server, NEIGHBOURS, quick=quick, meanwhile=work)
            moving.append(run.said["p99_ms"])
            lost += run.lost
            print(f"  neighbours: p99 {still[-1]} → {moving[-1]} ms", file=sys.stderr)
            until_compacted(backing, [name])
    later = statistics.median(b - a for a, b in zip(still, moving, strict=True))
    beside = f"{statistics.median(still):.1f} → {statistics.median(moving):.1f} ms; {what.encoded_bytes / 1e6:.0f} MB"
    return [
        Row("neighbours: p99, beyond what it is", later, "ms", NEIGHBOURS_MS, beside),
        Row("neighbours: lost or unequal", lost, "", 0),
    ]


def _mb(server: Server) -> float:
    return sum(one.memory_full_info().uss for one in (server.process, *server.process.children(True))) / 1e6
