"""How long the stack takes to start, first and again, and what it weighs at rest."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
from websockets import Origin
from websockets.sync.client import connect

from backend.embedded import children
from backend.embedded import plan as plans
from backend.embedded.plan import ROOT

PEOPLE = ("Ada", "Bo")
REST_S = 3.0 if os.environ.get("QUICK") else 20.0  # until what starts up has given back what it needed for that


def _run(var: Path, port: int) -> tuple[subprocess.Popen[str], float, list[str]]:
    """Start the stack as `make run` does; the supervisor, the seconds until it is up, and the sign-in links."""
    began = time.monotonic()
    supervisor = subprocess.Popen(
        [sys.executable, "-m", "backend.embedded", "run"],
        env={**os.environ, "ATELIER_VAR": str(var), "ATELIER_PORT": str(port)},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    for line in supervisor.stdout or ():
        if "Atelier is up" in line:
            took_s = time.monotonic() - began
            return supervisor, took_s, [next(supervisor.stdout or iter(())).split()[-1] for _ in PEOPLE]
    raise RuntimeError(f"the stack did not start: see {var}/logs")


@contextmanager
def _at_the_board(link: str) -> Iterator[None]:
    """Somebody who has the demo's board open: what its page fetches, its event stream and its socket."""
    base = "{0.scheme}://{0.netloc}".format(urlsplit(link))
    with ExitStack() as opened:
        person = opened.enter_context(httpx.Client(base_url=base, timeout=20.0))
        person.get(link)
        workspace = person.get("/api/v1/me").json()["workspaces"][0]["id"]
        project = person.get(f"/api/v1/workspaces/{workspace}/projects").json()["items"][0]["id"]
        board = person.get(f"/api/v1/projects/{project}/documents").json()["items"][0]["id"]
        for path in (f"documents/{board}", f"projects/{project}/assets", f"projects/{project}/suggestions"):
            person.get(f"/api/v1/{path}").raise_for_status()
        opened.enter_context(person.stream("GET", f"/api/v1/projects/{project}/events"))
        cookie = {"Cookie": f"sessionid={person.cookies['sessionid']}"}
        address = f"{base.replace('http', 'ws', 1)}/collab/{board}"
        opened.enter_context(connect(address, additional_headers=cookie, origin=Origin(base)))
        yield


def _stop(supervisor: subprocess.Popen[str]) -> float:
    began = time.monotonic()
    supervisor.send_signal(signal.SIGINT)
    supervisor.communicate(timeout=30)
    return time.monotonic() - began


def _row(name: str, value: float, unit: str, bar: float | None) -> dict[str, Any]:
    ok = None if bar is None else value <= bar
    return {"name": name, "value": value, "unit": unit, "bar": bar and f"≤ {bar:g}", "ok": ok, "beside": None}


def rows() -> list[dict[str, Any]]:
    """Two starts of one scratch var, the memory of each part with two people at the board, and the stop."""
    with tempfile.TemporaryDirectory(prefix="atelier-bench-", ignore_cleanup_errors=True) as folder:
        var, port = Path(folder), plans.free_port(taken=set())
        var.chmod(0o755)  # PostgreSQL walks through it as another user
        supervisor, first_s, _ = _run(var, port)
        _stop(supervisor)
        supervisor, second_s, links = _run(var, port)
        with ExitStack() as opened:
            for link in links:
                opened.enter_context(_at_the_board(link))
            time.sleep(REST_S)
            weights = {name: children.pss_bytes(process) / 1e6 for name, process, _ in children.running(var)}
            weights["supervisor"] = psutil.Process(supervisor.pid).memory_full_info().pss / 1e6
        stop_s = _stop(supervisor)
    found = [_row("first start, installed", first_s, "s", None), _row("second start", second_s, "s", 30.0)]
    found += [_row("stop", stop_s, "s", 10.0)]
    found += [_row(f"memory of {name}", weight, "MB PSS", None) for name, weight in weights.items()]
    return [*found, _row("memory at rest, all, two people at the board", sum(weights.values()), "MB PSS", 2000.0)]
