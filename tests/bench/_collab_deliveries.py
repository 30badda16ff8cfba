"""Measures what a delivered edit costs beside our peers, how late it comes, and what is lost.

All servers run one process on the same core and are driven in turn by the same load (`_collab_peers/load.mjs`),
interleaved. Every character is checked at every other client of its document. A cost is the CPU of the server's process
over the characters that arrived in the measured seconds; what PostgreSQL spent is told beside it. Ratios are medians of
the rounds' ratios.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench._collab_servers import PEERS, SERVERS, Backing, Row, Server, ours
from tests.contract.packages import NODE

HZ = 5
US = "Atelier"
MEMORY, DURABLE, BUN = "Hocuspocus", "Hocuspocus, durable", "Hocuspocus on Bun"
FLOOR = "Bun's publish"


@dataclass(frozen=True, slots=True)
class Shape:
    """Documents × clients of each × writers among them. Bars are our cost over the peer's."""

    documents: int
    clients: int
    writers: int
    of_memory: float
    of_bun: float | None = None

    def __str__(self) -> str:
        return f"{self.documents}×{self.clients}×{self.writers}"


SHAPES = (
    Shape(1, 10, 10, 0.5, 0.75),
    Shape(1, 50, 50, 0.5, 0.75),
    Shape(20, 5, 5, 1.0),
    Shape(1, 200, 10, 0.75),
    Shape(1, 200, 100, 0.5, 0.75),
    Shape(200, 2, 2, 1.0),
)
QUICK_SHAPES, QUICK_PEERS = ("1x50x50", "200x2x2"), (MEMORY, DURABLE, FLOOR)
OF_DURABLE = 0.5
LATE_MS = 20.0
ACK_MS = 40.0


@dataclass(frozen=True, slots=True)
class Run:
    """What one server did under one shape in one round."""

    said: dict[str, Any]
    cpu_s: float
    database_cpu_s: float

    @property
    def cost_us(self) -> float:
        return 1e6 * self.cpu_s / max(1, int(self.said["delivered"]))

    @property
    def lost(self) -> int:
        return int(sum(self.said[name] for name in ("missing", "wrong", "unequal")))

    def __str__(self) -> str:
        said = self.said
        return (
            f"{self.cost_us:7.2f} µs  p50 {said['p50_ms']} p99 {said['p99_ms']} ms  acks {said['ack_p99_ms']}"
            f"  {said['frames'] / said['measure_s']:,.0f} frames/s  lost {self.lost}"
            f"  database {1e6 * self.database_cpu_s / max(1, said['delivered']):.2f} µs"
        )


def drive(
    server: Server,
    shape: Shape,
    *,
    quick: bool,
    others: Sequence[Server] = (),
    meanwhile: Callable[[], object] = lambda: None,
    **more: float,
) -> Run:
    """One run of the load, with the server's CPU between its marks. `more`: what else the load takes.

    With `others` the clients of each document sit on all of them in turn, whose CPU counts too. `meanwhile` is done
    from the beginning of the measured seconds on, and must end before they do.
    """
    servers = (server, *others)
    warm_s, measure_s = (1.0, 3.0) if quick else (2.0, 8.0)
    rooms = server.rooms(documents=shape.documents, clients=shape.clients)
    spec = {
        "protocol": server.protocol,
        "urls": [one.url for one in servers],
        "rooms": rooms,
        "clients": shape.clients,
        "writers": shape.writers,
        "hz": HZ,
        "warm_s": warm_s,
        "measure_s": measure_s,
        **more,
    }
    load = subprocess.Popen([str(NODE), str(PEERS / "load.mjs"), json.dumps(spec)], stdout=subprocess.PIPE, text=True)
    assert load.stdout is not None
    marks = []
    with ThreadPoolExecutor(1) as beside:
        for line in load.stdout:
            if line.strip() not in ("measure", "measured"):
                said = json.loads(line)
                break
            marks.append((sum(one.cpu_s() for one in servers), server.database_cpu_s()))
            if len(marks) == 1:
                doing = beside.submit(meanwhile)
        else:
            load.wait(30)
            raise RuntimeError(f"the load on {server.name} at {shape} failed")
        doing.result()
    load.wait(30)
    return Run({**said, "measure_s": measure_s}, marks[1][0] - marks[0][0], marks[1][1] - marks[0][1])


Measured = Mapping[tuple[str, str], Sequence[Run]]  # by server and shape, in the order of the rounds


def deliveries(backing: Backing, core: int, *, quick: bool) -> list[Row]:
    """SHAPES (by spaces) and ONLY (by "; "), from the environment, name some shapes and peers."""
    wanted = os.environ.get("SHAPES", "").split() or (QUICK_SHAPES if quick else ())
    shapes = [shape for shape in SHAPES if not wanted or str(shape).replace("×", "x") in wanted]
    only = os.environ.get("ONLY")
    names = only.split("; ") if only else QUICK_PEERS if quick else list(SERVERS)
    measured = _measured(backing, core, shapes, names, rounds=1 if quick else 3, quick=quick)
    return [row for shape in shapes for row in _report(shape, measured)]


@contextmanager
def side_by_side(backing: Backing, core: int, names: Sequence[str]) -> Iterator[list[Server]]:
    """Ours and the peers of these names, all running."""
    with ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="atelier-bench-")))
        yield [
            running.enter_context(ours(backing, core)),
            *(running.enter_context(SERVERS[name](folder, core)) for name in names if name != US),
        ]


def _measured(
    backing: Backing, core: int, shapes: Sequence[Shape], names: Sequence[str], *, rounds: int, quick: bool
) -> Measured:
    measured: dict[tuple[str, str], list[Run]] = {}
    with side_by_side(backing, core, names) as servers:
        for number in range(rounds):
            for shape in shapes:
                for server in list(servers):
                    try:
                        run = drive(server, shape, quick=quick)
                        measured.setdefault((server.name, str(shape)), []).append(run)
                        print(f"  {number + 1} {shape!s:>10} {server.name:<20} {run}", file=sys.stderr)
                    except RuntimeError as exc:  # a peer that gives up
                        if server.name == US:
                            raise
                        print(f"  {exc}", file=sys.stderr)
                    if server.name != US and not server.has_calmed():
                        print(f"  {server.name} drowned at {shape}, and is left out from here on", file=sys.stderr)
                        server.process.kill()
                        servers.remove(server)
    return measured


def _report(shape: Shape, measured: Measured) -> list[Row]:
    def runs(name: str) -> Sequence[Run]:
        return measured.get((name, str(shape)), [])

    def median(name: str, value: str) -> float:
        return statistics.median(run.cost_us if value == "cost_us" else run.said[value] for run in runs(name))

    found: list[Row] = []
    us = runs(US)
    if not us:
        return found
    costs = {name: f"{median(name, 'cost_us'):.1f}" for name in (US, *SERVERS) if runs(name)}
    beside = ", ".join(f"{name} {cost}" for name, cost in costs.items())
    for peer, bar in ((MEMORY, shape.of_memory), (DURABLE, OF_DURABLE), (BUN, shape.of_bun)):
        if bar is not None and len(runs(peer)) == len(us):
            ratio = statistics.median(a.cost_us / b.cost_us for a, b in zip(us, runs(peer), strict=True))
            found.append(Row(f"{shape}: CPU of a delivery, of {peer}'s", ratio, "×", bar, f"µs: {beside}"))
            beside = ""
    late = {name: median(name, "p99_ms") for name in (US, *SERVERS) if runs(name)}
    bar_ms = max(LATE_MS, late.get(MEMORY, 0.0))
    beside = ", ".join(f"{name} {value:.1f}" for name, value in late.items())
    found.append(Row(f"{shape}: p99", late[US], "ms", bar_ms, beside))
    lost = {name: sum(run.lost for run in runs(name)) for name in (US, *SERVERS) if runs(name)}
    beside = ", ".join(f"{name} {value}" for name, value in lost.items() if value)
    found.append(Row(f"{shape}: lost or unequal", lost[US], "", 0, beside))
    if str(shape) == "1×50×50":
        acks = ", ".join(f"{name} {median(name, 'ack_p99_ms')}" for name in (MEMORY, DURABLE) if runs(name))
        found.append(Row(f"{shape}: p99 until saved", median(US, "ack_p99_ms"), "ms", ACK_MS, f"until taken: {acks}"))
    return found
