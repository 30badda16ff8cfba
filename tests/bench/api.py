"""Measures lists, pages, search and the opening of projects among 100,000 assets, beside two peers on the same tables.

Ours is the web process as `make run` starts it, with all of its conventions. The peers (`_api_peers`) are Django REST
framework under gunicorn, and bare ninja views under uvicorn with our SQL; neither has row-level security under it. All
three run at once on one core, and one at a time is asked; PostgreSQL, Valkey and the client have the other cores.
Requests a CPU second count the server's own processes, in rounds that go from one server to the next, and the median of
the rounds' ratios is what counts. Latency is that of 50 requests a second with random gaps, each from the moment at
which its act was due; to open a project is five of them at once, and how long that takes as a whole is shown beside.
"""

import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any
from urllib.parse import quote

import httpx
import psutil

from backend.core import ids
from backend.embedded.plan import HOST, ROOT, Plan, accepts, free_port
from tests.bench._api_load import Act, Client, closed_loop, open_loop
from tests.bench._stack import environment, scratch

QUICK = bool(os.environ.get("QUICK"))
ROUNDS, SECONDS = (3, 1.0) if QUICK else (7, 2.0)
LATENCY_ROUNDS, LATENCY_S = (2, 10.0) if QUICK else (3, 20.0)
START_S = 120  # on a busy machine; else five
RATE, BAR_MS, OF_DRF, OF_BARE = 50, 60, 1.3, 0.8
# Acts of 50 requests; to open a project takes five of them.
MIX = {"list": 15, "page": 10, "search": 10, "open": 3}
KINDS = tuple(MIX)
QUERIES = ("img", "lantern", "東京", "café", "提灯", "logo 7", "IMG_0042", "zzzz", "e", "stra")
PAGES = 4  # of a project, to be asked for by their cursors
ROOMS = 40  # the largest project of each of the largest workspaces


@dataclass(frozen=True, slots=True)
class Room:
    """A project that people work in; see `_api_data`."""

    workspace: str
    project: str
    session: str
    plain_session: str
    weight: int


@dataclass(slots=True)
class Server:
    """One of the three: how it is started, and how its addresses look."""

    name: str
    argv: list[str]
    env: dict[str, str]
    prefix: str
    show: Callable[[str], str]  # an id as this server shows it
    cookie: Callable[[Room], str]
    port: int = field(default_factory=lambda: free_port(taken=set()))
    process: psutil.Process | None = None
    cursors: dict[str, list[str]] = field(default_factory=dict)

    def cpu_s(self) -> float:
        assert self.process is not None
        times = [process.cpu_times() for process in (self.process, *self.process.children(recursive=True))]
        return sum(spent.user + spent.system for spent in times)

    def project(self, room: Room, rest: str = "") -> str:
        return f"{self.prefix}/projects/{self.show(room.project)}{rest}"

    def act(self, kind: str, room: Room, random_: random.Random) -> Act:
        if kind == "list":
            paths: tuple[str, ...] = (self.project(room, "/assets"),)
        elif kind == "page":
            cursor = random_.choice(self.cursors[room.project])
            paths = (self.project(room, f"/assets?cursor={quote(cursor)}"),)
        elif kind == "search":
            word = quote(random_.choice(QUERIES))
            paths = (f"{self.prefix}/workspaces/{self.show(room.workspace)}/assets?q={word}",)
        else:
            rests = ("", "/documents", "/assets", "/jobs", "/suggestions")
            paths = tuple(self.project(room, rest) for rest in rests)
        return Act(kind, paths, self.cookie(room))


def _plain(typed: str) -> str:
    return str(ids.parse(typed[:3], typed))


def _servers(plan: Plan) -> list[Server]:
    own = environment(plan)
    # Peers have no row-level security: they ask as a role that it does not hold.
    peer = {**own, "DATABASE_URL": plan.database_url("superuser"), "PYTHONPATH": str(ROOT)}
    peer["DJANGO_SETTINGS_MODULE"] = "tests.bench._api_peers.settings"
    uvicorn = ["-m", "uvicorn", "--loop", "uvloop", "--http", "httptools", "--log-level", "warning", "--no-access-log"]
    gunicorn = ["-m", "gunicorn", "--workers", "1", "--worker-class", "gthread", "--threads", "4", "--keep-alive", "60"]
    ours = ["-m", "backend.serve"]
    drf, bare = [*gunicorn, "tests.bench._api_peers.wsgi"], [*uvicorn, "tests.bench._api_peers.asgi:application"]
    return [
        Server("ours", ours, own, "/api/v1", str, attrgetter("session")),
        Server("DRF", drf, {**peer, "BENCH_PEER": "drf"}, "", _plain, attrgetter("plain_session")),
        Server("bare", bare, {**peer, "BENCH_PEER": "bare"}, "", _plain, attrgetter("plain_session")),
    ]


@contextmanager
def _running(server: Server, plan: Plan, core: int) -> Iterator[None]:
    address = ["--bind", f"{HOST}:{server.port}"] if "gunicorn" in server.argv else ["--port", str(server.port)]
    with open(plan.folder("logs") / f"bench-{server.name}.log", "ab") as log:
        child = subprocess.Popen(
            [sys.executable, *server.argv, *address],
            env=server.env,
            cwd=ROOT,
            stdout=log,
            stderr=log,
        )
    server.process = psutil.Process(child.pid)
    server.process.cpu_affinity([core])  # its threads and children come later, and inherit it
    try:
        yield
    finally:
        child.terminate()
        child.wait(20)


def _wait_for(server: Server) -> None:
    """Until it takes connections. Raises: psutil.NoSuchProcess, TimeoutError."""
    assert server.process is not None
    until = time.monotonic() + START_S
    while not accepts(server.port):
        if server.process.status() == psutil.STATUS_ZOMBIE:
            raise psutil.NoSuchProcess(server.process.pid, msg=f"{server.name} ended: see its log")
        if time.monotonic() > until:
            raise TimeoutError(f"{server.name} was not ready within {START_S} s")
        time.sleep(0.1)


def _find_cursors(server: Server, rooms: list[Room]) -> None:
    """Walk the first pages of each room, for cursors to ask for; and see that the pages are what they should be."""
    with httpx.Client(base_url=f"http://{HOST}:{server.port}", timeout=30) as client:
        for room in rooms:
            client.cookies.set("sessionid", server.cookie(room))
            server.cursors[room.project] = []
            address: str | None = server.project(room, "/assets")
            for _ in range(PAGES):
                if address is None:
                    break
                page = client.get(address).raise_for_status().json()
                cursor = _cursor(page)
                address = server.project(room, f"/assets?cursor={quote(cursor)}") if cursor else None
                server.cursors[room.project] += [cursor] if cursor else []


def _cursor(page: dict[str, Any]) -> str | None:
    if "next" in page:  # DRF's
        return httpx.URL(page["next"]).params["cursor"] if page["next"] else None
    cursor: str | None = page["next_cursor"]
    return cursor


def _names(server: Server, act: Act) -> list[list[str]]:
    """What an act shows, for the comparison of servers with each other."""
    shown = []
    with httpx.Client(base_url=f"http://{HOST}:{server.port}", timeout=30) as client:
        client.cookies.set("sessionid", act.cookie)
        for path in act.paths:
            page = client.get(path).raise_for_status().json()
            items = page.get("items", page.get("results", [page]))
            shown.append([item.get("name") or item["created_at"][:19] for item in items])
    return shown


def _compare(servers: list[Server], rooms: list[Room]) -> None:
    """All three must show the same, or their speeds say nothing."""
    for kind in KINDS:
        for number, room in enumerate(rooms[:5]):
            shown = [_names(server, server.act(kind, room, random.Random(number))) for server in servers]
            assert shown[0] == shown[1] == shown[2], f"{kind}: the servers differ"


def _acts(server: Server, kind: str, rooms: list[Room], seed: int) -> Callable[[], Act]:
    random_ = random.Random(seed)
    weights = [room.weight**0.5 for room in rooms]  # larger teams ask more often, but not in proportion
    return lambda: server.act(kind, random_.choices(rooms, weights)[0], random_)


def measure_cpu(servers: list[Server], rooms: list[Room]) -> dict[str, dict[str, list[float]]]:
    """Requests a CPU second of each kind and server, round by round."""
    found: dict[str, dict[str, list[float]]] = {kind: {server.name: [] for server in servers} for kind in KINDS}

    async def ask(server: Server, kind: str, seed: int, seconds: float) -> float:
        client = Client(server.port)
        at_once = 1 if kind == "open" else 4
        before = server.cpu_s()
        answered = await closed_loop(client, _acts(server, kind, rooms, seed), seconds=seconds, at_once=at_once)
        client.close()
        return answered / (server.cpu_s() - before)

    for round_ in range(-1, ROUNDS):
        for kind in KINDS:
            for server in servers:
                rate = asyncio.run(ask(server, kind, round_, SECONDS))
                if round_ >= 0:  # the first warms up
                    found[kind][server.name].append(rate)
    return found


def measure_latency(servers: list[Server], rooms: list[Room]) -> dict[str, dict[str, list[list[float]]]]:
    """Milliseconds of the requests of each act of each kind, by server."""
    found: dict[str, dict[str, list[list[float]]]] = {kind: {server.name: [] for server in servers} for kind in KINDS}

    async def ask(server: Server, seed: int) -> list[tuple[str, list[float]]]:
        client = Client(server.port)
        try:
            return await open_loop(client, list(_schedule(server, rooms, seed)))
        finally:
            client.close()

    for round_ in range(LATENCY_ROUNDS):
        for server in servers:
            for kind, latencies_s in asyncio.run(ask(server, round_)):
                found[kind][server.name].append([1000 * latency_s for latency_s in latencies_s])
    return found


def _schedule(server: Server, rooms: list[Room], seed: int) -> Iterator[tuple[float, Act]]:
    """Acts at random moments: `RATE` requests a second on the average."""
    random_ = random.Random(seed)
    acts = {kind: _acts(server, kind, rooms, seed) for kind in KINDS}
    per_s = RATE * sum(MIX.values()) / sum(MIX[kind] * len(acts[kind]().paths) for kind in KINDS)
    at = 0.5
    while at < LATENCY_S:
        yield at, acts[random_.choices(KINDS, list(MIX.values()))[0]]()
        at += random_.expovariate(per_s)


def rows() -> list[dict[str, Any]]:
    cores = sorted(os.sched_getaffinity(0))
    with ExitStack() as held:
        supervisor = held.enter_context(scratch(without=("triton", "web", "worker", "relay", "learner")))
        plan = supervisor.plan
        filled = subprocess.run(
            [sys.executable, "-m", "tests.bench._api_data", plan.database_url("superuser")],
            env=environment(plan),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            check=True,
        )
        rooms = [Room(**each) for each in json.loads(filled.stdout)][:ROOMS]
        others = cores[1:] or cores
        for process in psutil.Process().children(recursive=True):
            process.cpu_affinity(others)
        os.sched_setaffinity(0, others)
        held.callback(os.sched_setaffinity, 0, cores)
        servers = _servers(plan)
        for server in servers:
            held.enter_context(_running(server, plan, cores[0]))
        for server in servers:
            _wait_for(server)
            _find_cursors(server, rooms)
        _compare(servers, rooms)
        rates = measure_cpu(servers, rooms)  # first, so that latency is that of servers that are warm
        return [*_told_latency(measure_latency(servers, rooms)), *_told_cpu(rates)]


def _told_latency(found: dict[str, dict[str, list[list[float]]]]) -> Iterator[dict[str, Any]]:
    for kind, by_server in found.items():
        each = {name: _p50_p99([ms for act in acts for ms in act]) for name, acts in by_server.items()}
        whole = {name: _p50_p99([max(act) for act in acts]) for name, acts in by_server.items()}
        p50, p99 = each["ours"]
        peers = "; ".join(f"{name} {each[name][0]:.1f}/{each[name][1]:.1f}" for name in ("DRF", "bare"))
        all_of_it = ", ".join(f"{name} {whole[name][0]:.1f}/{whole[name][1]:.1f}" for name in whole)
        yield {
            "name": f"{kind}, p99 at {RATE} requests/s",
            "value": round(p99, 1),
            "unit": "ms",
            "bar": f"<= {BAR_MS}",
            "ok": p99 <= BAR_MS,
            "beside": f"p50 {p50:.1f}; p50/p99: {peers}" + (f"; all five: {all_of_it}" if kind == "open" else ""),
        }


def _p50_p99(all_ms: list[float]) -> tuple[float, float]:
    return statistics.median(all_ms), statistics.quantiles(all_ms, n=100)[-1]


def _told_cpu(found: dict[str, dict[str, list[float]]]) -> Iterator[dict[str, Any]]:
    for peer, bar in (("DRF", OF_DRF), ("bare", OF_BARE)):
        for kind, by_server in found.items():
            ratios = [own / other for own, other in zip(by_server["ours"], by_server[peer], strict=True)]
            ratio = statistics.median(ratios)
            rates = {name: statistics.median(by_server[name]) for name in ("ours", peer)}
            spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
            yield {
                "name": f"{kind}, requests a CPU second beside {peer}",
                "value": round(ratio, 2),
                "unit": "×",
                "bar": f">= {bar}",
                "ok": ratio >= bar,
                "beside": f"{rates['ours']:.0f} against {rates[peer]:.0f}; rounds {spread}",
            }
