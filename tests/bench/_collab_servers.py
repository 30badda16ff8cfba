"""Hides the servers that co-editing is measured on: ours and its peers, each one process on a core of its own.

The first core is the server's. The load, PostgreSQL and Valkey have the others. A loop of idle priority keeps the
server's core awake: a core that falls asleep between frames charges its waking up to whoever is measured.
"""

import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import django
import psutil

from backend.embedded import children, postgres, seaweedfs, valkey
from backend.embedded import plan as plans
from backend.embedded.plan import HOST, ROOT
from backend.embedded.prepare import make_bucket
from tests.contract.packages import NODE

PEERS = Path(__file__).parent / "_collab_peers"
START_S, CALM_S = 60.0, 10.0
Protocol = Literal["y-websocket", "hocuspocus"]


@dataclass(frozen=True, slots=True)
class Row:
    """One of the issue's bars, which are all upper ones."""

    name: str
    value: float
    unit: str
    bar: float
    beside: str = ""

    def shown(self) -> dict[str, Any]:
        return {**asdict(self), "bar": f"≤ {self.bar:g}", "ok": self.value <= self.bar}


@dataclass(slots=True)
class Server:
    """One process that is measured."""

    name: str
    protocol: Protocol
    url: str
    process: psutil.Process
    database: psutil.Process | None = None  # that it commits to
    rooms: Callable[..., list[dict[str, Any]]] = field(default=lambda **_: [])

    def cpu_s(self) -> float:
        return _cpu_s(self.process)

    def database_cpu_s(self) -> float:
        return _cpu_s(self.database) if self.database else 0.0

    def has_calmed(self) -> bool:
        """Whether it has ended what it had in hand within CALM_S: else the next one would not have the core."""
        end = time.monotonic() + CALM_S
        while time.monotonic() < end:
            before = self.cpu_s()
            time.sleep(0.5)
            if self.cpu_s() - before < 0.05:
                return True
        return False


def _cpu_s(process: psutil.Process) -> float:
    """Of all threads, in nanoseconds where the other figures are in steps of 10 ms; and of children that have ended."""
    threads = (
        stat
        for one in (process, *process.children(recursive=True))
        for stat in Path(f"/proc/{one.pid}/task").glob("*/schedstat")
    )
    spent_ns = sum(int(stat.read_text().split()[0]) for stat in threads)
    ended = process.cpu_times()
    return spent_ns / 1e9 + ended.children_user + ended.children_system


def cores() -> tuple[int, set[int]]:
    """The server's core, and the others."""
    first, *rest = sorted(os.sched_getaffinity(0))
    return first, set(rest) or {first}


@contextmanager
def apart(core: int, others: set[int]) -> Iterator[None]:
    """This process and what it starts leave the server's core, which is kept awake."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, others)
    idling = "import os\nos.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))\nwhile True: pass"
    awake = subprocess.Popen(children.bound([sys.executable, "-c", idling], dies_by=signal.SIGKILL))
    psutil.Process(awake.pid).cpu_affinity([core])
    try:
        yield
    finally:
        awake.kill()
        awake.wait()
        os.sched_setaffinity(0, before)


@contextmanager
def started(
    command: Sequence[str], port: int, *, core: int, env: Mapping[str, str] | None = None
) -> Iterator[psutil.Process]:
    mortal = children.bound(command, dies_by=signal.SIGKILL)  # with us: left behind it would take the core for ever
    child = subprocess.Popen(mortal, cwd=ROOT, env={**os.environ, **(env or {})}, stdout=subprocess.DEVNULL)
    try:
        psutil.Process(child.pid).cpu_affinity([core])  # its threads and children come later, and inherit it
        until(lambda: plans.accepts(port))
        yield psutil.Process(child.pid)
    finally:
        child.terminate()
        try:
            child.wait(15)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def until(test: Callable[[], bool], timeout_s: float = START_S) -> None:
    end = time.monotonic() + timeout_s
    while not test():
        if time.monotonic() > end:
            raise TimeoutError("a server of the benchmark did not start")
        time.sleep(0.05)


# --- the peers


def peer(
    name: str, protocol: Protocol, command: Callable[[int, Path], list[str]], *, port: int = 0
) -> Callable[[Path, int], Any]:
    """What starts it, given a folder and a core. `command` gets its port, where none is given another each time."""

    @contextmanager
    def run(folder: Path, core: int) -> Iterator[Server]:
        at = port or plans.free_port(taken=set())
        with started(command(at, folder), at, core=core, env={"HOST": HOST, "PORT": str(at)}) as process:
            yield Server(name, protocol, f"ws://{HOST}:{at}", process, rooms=_named)

    return run


def _named(*, documents: int, clients: int) -> list[dict[str, Any]]:
    return [{"name": f"bench-{time.time_ns()}-{number}"} for number in range(documents)]


def _node(script: str) -> str:
    return str(PEERS / script)


# Its own folder: what npm links as `bun` is put there by a script that we don't run.
BUN = PEERS / "node_modules" / "@oven" / "bun-linux-x64" / "bin" / "bun"
_CHANNELS = ["-m", "uvicorn", "--loop", "uvloop", "--ws", "websockets-sansio", "--log-level", "warning"]
SERVERS: Mapping[str, Callable[[Path, int], Any]] = {
    "Hocuspocus": peer("Hocuspocus", "hocuspocus", lambda port, _: [str(NODE), _node("hocuspocus.mjs"), str(port)]),
    "Hocuspocus, durable": peer(
        "Hocuspocus, durable",
        "hocuspocus",
        lambda port, folder: [str(NODE), _node("hocuspocus.mjs"), str(port), str(folder / f"hocuspocus-{port}.sqlite")],
    ),
    "Hocuspocus on Bun": peer(
        "Hocuspocus on Bun", "hocuspocus", lambda port, _: [str(BUN), _node("hocuspocus.mjs"), str(port)]
    ),
    "Bun's publish": peer(
        "Bun's publish", "y-websocket", lambda port, _: [str(BUN), _node("bun_publish.mjs"), str(port)]
    ),
    "y-websocket": peer(
        "y-websocket", "y-websocket", lambda port, _: [str(NODE), _node("node_modules/y-websocket/bin/server.cjs")]
    ),
    "pycrdt-websocket": peer(
        "pycrdt-websocket",
        "y-websocket",
        lambda port, _: [sys.executable, *_CHANNELS, "--port", str(port), "tests.bench._collab_channels:application"],
    ),
}


# --- ours


class Backing:
    """PostgreSQL with its promises on, Valkey and S3, in a folder of their own; the settings name them."""

    _PARTS = {
        "postgres": (postgres, signal.SIGINT),
        "valkey": (valkey, signal.SIGTERM),
        "s3": (seaweedfs, signal.SIGTERM),
    }

    def __init__(self, folder: Path) -> None:
        folder.chmod(0o755)  # PostgreSQL walks through it as another user
        self.plan = plans.load(folder, web_port=None, demo=True)
        self.plan.write_settings()
        os.environ.update(
            {**self.plan.settings(), "ATELIER_VAR": str(folder), "DJANGO_SETTINGS_MODULE": "backend.settings"}
        )
        self._children = {name: self._start(name) for name in self._PARTS}
        until(lambda: all(program.ready(self.plan) for program, _ in self._PARTS.values()))
        postgres.make_roles(self.plan)
        migrate = [sys.executable, "manage.py", "migrate", "--database", "owner", "-v", "0"]
        subprocess.run(migrate, cwd=ROOT, check=True)
        django.setup()
        logging.getLogger().setLevel(logging.WARNING)  # of this process alone: thousands of documents are made here
        make_bucket(self.plan.origins())

    def _start(self, name: str) -> subprocess.Popen[bytes]:
        program, end = self._PARTS[name]
        return children.start(self.plan, name, program.command(self.plan), dies_by=end)

    def kill(self, name: str) -> None:
        """By SIGKILL, with all its processes; returns when it is up again."""
        child = self._children[name]
        child.kill()
        child.wait()
        children.kill_session(child.pid)
        self._children[name] = self._start(name)
        until(lambda: self._PARTS[name][0].ready(self.plan))

    def stop(self) -> None:
        for name, child in reversed(self._children.items()):
            children.stop(child, by=self._PARTS[name][1], grace_s=15)

    @property
    def database(self) -> psutil.Process:
        return psutil.Process(self._children["postgres"].pid)


@contextmanager
def backing() -> Iterator[Backing]:
    with tempfile.TemporaryDirectory(prefix="atelier-bench-") as folder:
        found = Backing(Path(folder))
        try:
            yield found
        finally:
            found.stop()


@contextmanager
def ours(backing: Backing, core: int, *, port: int = 0) -> Iterator[Server]:
    """One web process, its journal on."""
    port = port or plans.free_port(taken=set())
    command = [sys.executable, "-m", "backend.serve", "--port", str(port)]
    crowded = {f"COLLAB_CONNECTIONS_PER_{whose}": "100000" for whose in ("PERSON", "WORKSPACE")}
    with started(command, port, core=core, env=crowded) as process:
        yield Server("Atelier", "y-websocket", f"ws://{HOST}:{port}/collab", process, backing.database, _documents)


def _documents(*, documents: int, clients: int) -> list[dict[str, Any]]:
    """New documents, each with a ticket for every client and one more."""
    from backend.core import ids, tenancy
    from backend.projects.models import DocumentKind
    from backend.projects.services import create_document, create_project, issue_ticket
    from backend.workspaces.services import create_person, create_workspace

    with tenancy.acting():
        ada = create_person(email=f"ada-{time.time_ns()}@bench.invalid", name="Ada")
        workspace = create_workspace(name="Bench", owner=ada)
        project = create_project(workspace, name="Bench", by=ada.pk)
        found = []
        for number in range(documents):
            text = create_document(project, kind=DocumentKind.BOARD, name=f"Bench {number}", by=ada.pk)
            tickets = [issue_ticket(text, person_id=ada.pk)[0] for _ in range(clients + 1)]
            found.append({"name": ids.show("doc", text.pk), "tickets": tickets})
    return found


def signed_documents(count: int) -> tuple[list[str], dict[str, str]]:
    """New documents, and the headers that open them."""
    from backend.core import ids, tenancy
    from backend.projects.models import DocumentKind
    from backend.projects.services import create_document, create_project
    from backend.workspaces.rights import Act
    from backend.workspaces.services import create_person, create_workspace
    from backend.workspaces.tokens import make_token

    with tenancy.acting():
        ada = create_person(email=f"ada-{time.time_ns()}@bench.invalid", name="Ada")
        workspace = create_workspace(name="Bench", owner=ada)
        project = create_project(workspace, name="Bench", by=ada.pk)
        made = [create_document(project, kind=DocumentKind.BOARD, name=str(n), by=ada.pk) for n in range(count)]
    with tenancy.acting(person_id=ada.pk):
        secret, _ = make_token(ada.pk, name="bench", scopes={Act.EDIT}, days=1)
    return [ids.show("doc", document.pk) for document in made], {"Authorization": f"Bearer {secret}"}
