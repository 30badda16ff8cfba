"""Measures how long an edit takes from one stock client to nine others, two of ten writing; and until it is saved.

Ours is durable: journal on, in a PostgreSQL with fsync, started here beside a Valkey and one web process. Hocuspocus
and y-websocket's own server run in memory, as they come. All three are driven by the same Node program in turn,
interleaved; each arrival is checked. `rows()` is what `make bench NAME=collab_latency` prints; QUICK=1 takes under a
minute.
"""

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from backend.embedded import children, plan, postgres, valkey
from backend.embedded.children import Command
from backend.embedded.plan import ROOT, Plan
from tests.contract.packages import HERE as PACKAGES
from tests.contract.packages import NODE, install_packages

CLIENTS, WRITERS, HZ = 10, 2, 10
P50_BAR_MS, P99_BAR_MS = 10.0, 40.0
QUICK = os.environ.get("QUICK") == "1"
ROUNDS, SECONDS = (1, 8) if QUICK else (3, 15)

Spec = dict[str, Any]


def rows() -> list[dict[str, Any]]:
    """Latency of ours against its bars, with the peers' beside it."""
    install_packages()
    measured: dict[str, list[dict[str, Any]]] = {"ours": [], "hocuspocus": [], "y-websocket": []}
    with ExitStack() as started:
        specs = {
            "ours": started.enter_context(_ours()),
            "hocuspocus": started.enter_context(_hocuspocus()),
            "y-websocket": started.enter_context(_y_websocket()),
        }
        for _ in range(ROUNDS):
            for name, spec in specs.items():
                measured[name].append(_drive(spec()))
    return _report(measured)


def _report(measured: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    def percentile(name: str, key: str, percent: int) -> float:
        values: list[float] = [value for run in measured[name] for value in run[key]]
        return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]

    found = []
    for percent, bar in ((50, P50_BAR_MS), (99, P99_BAR_MS)):
        value = percentile("ours", "latencies", percent)
        beside = ", ".join(
            f"{name} {percentile(name, 'latencies', percent):.2f}" for name in ("hocuspocus", "y-websocket")
        )
        found.append(_row(f"edit to nine others, p{percent}", value, "ms", f"<= {bar:g}", value <= bar, beside))
    for percent in (50, 99):
        value = percentile("ours", "acks", percent)
        found.append(_row(f"edit to saved, p{percent}", value, "ms", None, None, "peers have none"))
    missing = sum(run["missing"] for run in measured["ours"])
    beside = ", ".join(
        f"{name} {sum(run['missing'] for run in measured[name])}" for name in ("hocuspocus", "y-websocket")
    )
    found.append(_row("edits that did not arrive", missing, "", "0", missing == 0, beside))
    return found


def _row(name: str, value: float, unit: str, bar: str | None, ok: bool | None, beside: str) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "bar": bar, "ok": ok, "beside": beside}


def _drive(spec: Spec) -> dict[str, Any]:
    shape = {"clients": CLIENTS, "writers": WRITERS, "hz": HZ, "seconds": SECONDS, "packages": str(PACKAGES)}
    command = [str(NODE), str(Path(__file__).with_name("collab_clients.mjs")), json.dumps({**shape, **spec})]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS + 60, check=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@contextmanager
def _process(command: list[str], **environment: str) -> Iterator[None]:
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, env={**os.environ, **environment})
    try:
        yield
    finally:
        child.terminate()
        child.wait(15)


@contextmanager
def _y_websocket() -> Iterator[Callable[[], Spec]]:
    port = plan.free_port(taken=set())
    server = PACKAGES / "node_modules" / "y-websocket-2" / "bin" / "server.cjs"
    with _process([str(NODE), str(server)], HOST="127.0.0.1", PORT=str(port)):
        _await(lambda: plan.accepts(port))
        yield lambda: {"kind": "y-websocket", "url": f"ws://127.0.0.1:{port}", "room": f"bench-{time.time_ns()}"}


@contextmanager
def _hocuspocus() -> Iterator[Callable[[], Spec]]:
    port = plan.free_port(taken=set())
    server = Path(__file__).with_name("_hocuspocus.mjs")
    with _process([str(NODE), str(server), str(PACKAGES), str(port)]):
        _await(lambda: plan.accepts(port))
        yield lambda: {"kind": "hocuspocus", "url": f"ws://127.0.0.1:{port}", "room": f"bench-{time.time_ns()}"}


@contextmanager
def _ours() -> Iterator[Callable[[], Spec]]:
    """PostgreSQL, Valkey and one web process of a scratch `var`, and a new document for each run."""
    with tempfile.TemporaryDirectory(prefix="atelier-bench-") as folder, ExitStack() as started:
        Path(folder).chmod(0o755)  # PostgreSQL walks through it as another user
        stack = plan.load(Path(folder), web_port=None, demo=True)
        stack.write_settings()
        os.environ.update({**stack.settings(), "ATELIER_VAR": folder, "DJANGO_SETTINGS_MODULE": "backend.settings"})
        _part(started, stack, "postgres", postgres.command(stack), signal.SIGINT)
        _part(started, stack, "valkey", valkey.command(stack), signal.SIGTERM)
        _await(lambda: postgres.ready(stack) and valkey.ready(stack))
        postgres.make_roles(stack)
        subprocess.run([sys.executable, "manage.py", "migrate", "--database", "owner", "-v", "0"], cwd=ROOT, check=True)
        port = stack.ports["web"]
        web = [sys.executable, "-m", "backend.serve", "--port", str(port)]
        _part(started, stack, "web", Command(web, cwd=ROOT), signal.SIGTERM)
        _await(lambda: plan.accepts(port))
        yield lambda: {"kind": "y-websocket", "url": f"ws://127.0.0.1:{port}/collab", **_document()}


def _part(started: ExitStack, stack: Plan, name: str, command: Command, ends_by: signal.Signals) -> None:
    child = children.start(stack, name, command, dies_by=ends_by)
    started.callback(children.stop, child, by=ends_by, grace_s=15)


def _document() -> Spec:
    """A new document, and a ticket for each client."""
    import django

    django.setup()
    from backend.core import ids, tenancy
    from backend.projects.models import DocumentKind
    from backend.projects.services import create_document, create_project, issue_ticket
    from backend.workspaces.services import create_person, create_workspace

    with tenancy.acting():
        ada = create_person(email=f"ada-{time.time_ns()}@bench.invalid", name="Ada")
        workspace = create_workspace(name="Bench", owner=ada)
        project = create_project(workspace, name="Bench", by=ada.pk)
        board = create_document(project, kind=DocumentKind.BOARD, name="Bench", by=ada.pk)
        tickets = [issue_ticket(board, person_id=ada.pk)[0] for _ in range(CLIENTS)]
    return {"room": ids.show("doc", board.pk), "tickets": tickets}


def _await(test: Callable[[], bool], timeout_s: float = 60.0) -> None:
    end = time.monotonic() + timeout_s
    while not test():
        if time.monotonic() > end:
            raise TimeoutError("a server of the benchmark did not start")
        time.sleep(0.05)
