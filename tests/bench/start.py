"""How long the stack takes to start, first and again, and what it weighs at rest."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from backend.embedded import children
from backend.embedded import plan as plans
from backend.embedded.plan import ROOT

REST_S = 3.0 if os.environ.get("QUICK") else 20.0  # until what starts up has given back what it needed for that


def _run(var: Path, port: int) -> tuple[subprocess.Popen[str], float]:
    """Start the stack as `make run` does; the supervisor, and the seconds until it is up."""
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
            return supervisor, time.monotonic() - began
    raise RuntimeError(f"the stack did not start: see {var}/logs")


def _stop(supervisor: subprocess.Popen[str]) -> float:
    began = time.monotonic()
    supervisor.send_signal(signal.SIGINT)
    supervisor.communicate(timeout=30)
    return time.monotonic() - began


def _row(name: str, value: float, unit: str, bar: float | None) -> dict[str, Any]:
    ok = None if bar is None else value <= bar
    return {"name": name, "value": value, "unit": unit, "bar": bar and f"≤ {bar:g}", "ok": ok, "beside": None}


def rows() -> list[dict[str, Any]]:
    """Two starts of one scratch var, the memory of each part after a rest, and the stop."""
    with tempfile.TemporaryDirectory(prefix="atelier-bench-", ignore_cleanup_errors=True) as folder:
        var, port = Path(folder), plans.free_port(taken=set())
        var.chmod(0o755)  # PostgreSQL walks through it as another user
        supervisor, first_s = _run(var, port)
        _stop(supervisor)
        supervisor, second_s = _run(var, port)
        time.sleep(REST_S)
        weights = {name: children.pss_bytes(process) / 1e6 for name, process, _ in children.running(var)}
        stop_s = _stop(supervisor)
    found = [_row("first start, installed", first_s, "s", None), _row("second start", second_s, "s", 30.0)]
    found += [_row("stop", stop_s, "s", 10.0)]
    found += [_row(f"memory of {name}", weight, "MB PSS", None) for name, weight in weights.items()]
    return [*found, _row("memory at rest, all", sum(weights.values()), "MB PSS", 2000.0)]
