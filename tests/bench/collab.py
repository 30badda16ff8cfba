"""Measures co-editing beside its peers: what a delivered edit costs, how late it comes, what is lost.

All servers run one process on the same core, ours with its journal in a PostgreSQL that keeps its promises, and are
driven in turn by the same load (`_collab_peers/load.mjs`), interleaved, at least three rounds. Every character is
checked at every other client of its document. A cost is the CPU of the server's process over the characters that
arrived in the measured seconds; what PostgreSQL spent is told beside it. Ratios are medians of the rounds' ratios.

Then a crowd that only looks: its idle sockets, and its return after a restart. PARTS="deliveries idle storm" plays some
of it, SHAPES and ONLY some shapes and peers, and QUICK=1 one short round with smaller crowds.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend.embedded.plan import Plan
from tests.bench._collab_crowd import idle, storm
from tests.bench._collab_servers import PEERS, SERVERS, Server, apart, cores, database_and_broker, ours
from tests.contract.packages import NODE, install_packages

QUICK = bool(os.environ.get("QUICK"))
ROUNDS, WARM_S, MEASURE_S = (1, 1.0, 3.0) if QUICK else (3, 2.0, 8.0)
HZ = 5
US = "Atelier"
MEMORY, DURABLE, BUN = "Hocuspocus", "Hocuspocus, durable", "Hocuspocus on Bun"


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


def drive(server: Server, shape: Shape, **more: Any) -> Run:
    """One run of the load, with the server's CPU between its marks."""
    rooms = server.rooms(documents=shape.documents, clients=shape.clients)
    spec = {
        "protocol": server.protocol,
        "url": server.url,
        "rooms": rooms,
        "clients": shape.clients,
        "writers": shape.writers,
        "hz": HZ,
        "warm_s": WARM_S,
        "measure_s": MEASURE_S,
        **more,
    }
    load = subprocess.Popen([str(NODE), str(PEERS / "load.mjs"), json.dumps(spec)], stdout=subprocess.PIPE, text=True)
    assert load.stdout is not None
    marks = []
    for line in load.stdout:
        if line.strip() not in ("measure", "measured"):
            said = json.loads(line)
            break
        marks.append((server.cpu_s(), server.database_cpu_s()))
    else:
        load.wait(30)
        raise RuntimeError(f"the load on {server.name} at {shape} failed")
    load.wait(30)
    return Run(said, marks[1][0] - marks[0][0], marks[1][1] - marks[0][1])


def rows() -> list[dict[str, Any]]:
    install_packages()
    install_packages(PEERS, optional=True)  # bun is such
    core, others = cores()
    wanted = os.environ.get("SHAPES", "").split()
    shapes = [shape for shape in SHAPES if not wanted or str(shape).replace("×", "x") in wanted]
    names = os.environ["ONLY"].split(",") if os.environ.get("ONLY") else list(SERVERS)
    parts = os.environ.get("PARTS", "deliveries idle storm").split()
    measured: dict[tuple[str, str], list[Run]] = {}
    found: list[dict[str, Any]] = []
    with apart(core, others), database_and_broker() as plan:
        if "idle" in parts:
            count, measure_s = (2000, 25.0) if QUICK else (10_000, 75.0)
            found += [_row(*one) for one in idle(plan, core, count=count, measure_s=measure_s)]
        if "storm" in parts:
            found += [_row(*one) for one in storm(plan, core, count=500 if QUICK else 2000)]
        if "deliveries" in parts:
            _deliver(plan, core, shapes, names, measured)
    return [row for shape in shapes for row in _report(shape, measured)] + found


def _deliver(
    plan: Plan, core: int, shapes: Sequence[Shape], names: Sequence[str], measured: dict[tuple[str, str], list[Run]]
) -> None:
    with ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="atelier-bench-")))
        servers = [running.enter_context(ours(plan, core))]
        servers += [running.enter_context(SERVERS[name](folder, core)) for name in names if name != US]
        for number in range(ROUNDS):
            for shape in shapes:
                for server in list(servers):
                    try:
                        run = drive(server, shape)
                        measured.setdefault((server.name, str(shape)), []).append(run)
                        print(_line(number, server, shape, run), file=sys.stderr)
                    except RuntimeError as exc:  # a peer that gives up
                        if server.name == US:
                            raise
                        print(f"  {exc}", file=sys.stderr)
                    if server.name != US and not server.has_calmed():
                        print(f"  {server.name} drowned at {shape}, and is left out from here on", file=sys.stderr)
                        server.process.kill()
                        servers.remove(server)


def _line(number: int, server: Server, shape: Shape, run: Run) -> str:
    said = run.said
    return (
        f"  {number + 1} {shape!s:>10} {server.name:<20} {run.cost_us:7.2f} µs"
        f"  p50 {said['p50_ms']} p99 {said['p99_ms']} ms"
        f"  acks {said['ack_p99_ms']}  {said['frames'] / MEASURE_S:,.0f} frames/s  lost {run.lost}"
        f"  database {1e6 * run.database_cpu_s / max(1, said['delivered']):.2f} µs"
    )


def _report(shape: Shape, measured: dict[tuple[str, str], list[Run]]) -> list[dict[str, Any]]:
    def runs(name: str) -> Sequence[Run]:
        return measured.get((name, str(shape)), [])

    def median(name: str, value: str) -> float:
        return statistics.median(run.cost_us if value == "cost_us" else run.said[value] for run in runs(name))

    found: list[dict[str, Any]] = []
    us = runs(US)
    if not us:
        return found
    costs = {name: f"{median(name, 'cost_us'):.1f}" for name in (US, *SERVERS) if runs(name)}
    beside = ", ".join(f"{name} {cost}" for name, cost in costs.items())
    for peer, bar in ((MEMORY, shape.of_memory), (DURABLE, OF_DURABLE), (BUN, shape.of_bun)):
        if bar is not None and len(runs(peer)) == len(us):
            ratio = statistics.median(a.cost_us / b.cost_us for a, b in zip(us, runs(peer), strict=True))
            found.append(_row(f"{shape}: CPU of a delivery, of {peer}'s", ratio, "×", bar, f"µs: {beside}"))
            beside = ""
    late = {name: median(name, "p99_ms") for name in (US, *SERVERS) if runs(name)}
    bar_ms = max(LATE_MS, late.get(MEMORY, 0.0))
    beside = ", ".join(f"{name} {value:.1f}" for name, value in late.items())
    found.append(_row(f"{shape}: p99", late[US], "ms", bar_ms, beside))
    lost = {name: sum(run.lost for run in runs(name)) for name in (US, *SERVERS) if runs(name)}
    beside = ", ".join(f"{name} {value}" for name, value in lost.items() if value)
    found.append(_row(f"{shape}: lost or unequal", lost[US], "", 0, beside))
    if str(shape) == "1×50×50":
        acks = ", ".join(f"{name} {median(name, 'ack_p99_ms')}" for name in (MEMORY, DURABLE) if runs(name))
        found.append(_row(f"{shape}: p99 until saved", median(US, "ack_p99_ms"), "ms", ACK_MS, f"until taken: {acks}"))
    return found


def _row(name: str, value: float, unit: str, bar: float, beside: str) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "bar": f"≤ {bar:g}", "ok": value <= bar, "beside": beside}
