"""Hides processes: how one is started, recognised after a crash as ours, stopped and measured."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from backend.embedded.plan import Plan, write_at_once

LAUNCH = Path(__file__).with_name("launch.py")
LOG_BYTES = 20 * 1024 * 1024  # of one part; then it is moved aside, and the one before it is dropped


@dataclass(frozen=True, slots=True)
class Account:
    """The user that a program runs as, where it refuses to run as root."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Command:
    """A program with its whole environment besides PATH and its like."""

    argv: list[str]
    env: Mapping[str, str] = field(default_factory=dict)
    account: Account | None = None
    cwd: Path | None = None


def start(
    plan: Plan, name: str, command: Command, *, dies_by: signal.Signals, port: int = 0
) -> subprocess.Popen[bytes]:
    """Start `command` as the part `name`; it gets `dies_by` when the calling THREAD ends: call from one that stays."""
    with open(plan.folder("logs") / f"{name}.log", "ab") as log:
        child = subprocess.Popen(
            bound(command.argv, dies_by=dies_by, account=command.account or Account(0, 0)),
            env=_environment(plan, name, command),
            cwd=command.cwd,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C in the terminal is for the supervisor alone, which stops all in order
        )
    record = {"pid": child.pid, "started": psutil.Process(child.pid).create_time(), "port": port}
    write_at_once(plan.folder("run") / f"{name}.json", json.dumps(record))
    return child


def bound(argv: Sequence[str], *, dies_by: signal.Signals, account: Account = Account(0, 0)) -> list[str]:
    """What to start so that it becomes `argv` and gets `dies_by` when the thread that starts it ends."""
    launcher = [sys.executable, "-I", "-S", str(LAUNCH), str(os.getpid()), str(int(dies_by))]
    return [*launcher, str(account.uid), str(account.gid), *argv]


def _environment(plan: Plan, name: str, command: Command) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("ATELIER_PART")}
    return {**kept, **command.env, "ATELIER_VAR": str(plan.var), "ATELIER_PART": name}


def stop(child: subprocess.Popen[bytes], *, by: signal.Signals, grace_s: float) -> None:
    """Ask, wait, then kill with all that it left in its session."""
    child.send_signal(by)
    try:
        child.wait(grace_s)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    kill_session(child.pid)


def kill_session(session: int) -> None:
    """Kill what a dead child left behind in its own session (Triton's model processes, a worker's helpers)."""
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == session and process.pid != session:
                process.kill()
        except (ProcessLookupError, psutil.Error):
            continue


def forget(plan: Plan, name: str) -> None:
    """Drop the record of a part that was stopped."""
    (plan.var / "run" / f"{name}.json").unlink(missing_ok=True)


def running(var: Path) -> Iterator[tuple[str, psutil.Process, int]]:
    """Name, process and port of each part on record that lives."""
    for name, record in _records(var):
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(record["pid"])
            if abs(process.create_time() - record["started"]) < 1:
                yield name, process, record["port"]


def left_over(var: Path) -> Iterator[tuple[str, psutil.Process]]:
    """Processes of an earlier supervisor of `var`, by the marks in their environment or by pid, start time and record.

    A process that shows neither is not ours, whatever its pid or command says.
    """
    records = {record["pid"]: (name, record["started"]) for name, record in _records(var)}
    for process in psutil.process_iter():
        name, started = records.get(process.pid, ("", 0.0))
        try:
            if name and abs(process.create_time() - started) < 1:
                yield name, process
                continue
            marks = process.environ()
        except psutil.Error:
            continue
        if marks.get("ATELIER_PART") and marks.get("ATELIER_VAR") == str(var):
            yield marks["ATELIER_PART"], process


def clear_left_over(var: Path, *, stops: Mapping[str, signal.Signals]) -> list[str]:
    """End what an earlier supervisor of `var` left running, each by its own signal, after 8 s by force; their names."""
    found = [pair for pair in left_over(var) if pair[1].pid != os.getpid()]
    for name, process in found:
        try:
            process.send_signal(stops.get(name, signal.SIGKILL))
        except psutil.Error:
            continue
    _, alive = psutil.wait_procs([process for _, process in found], timeout=8)
    for process in alive:
        process.kill()
    psutil.wait_procs(alive, timeout=5)
    for path in (var / "run").glob("*.json"):
        path.unlink()
    return sorted({name for name, _ in found})


def rotate(log: Path, *, limit_bytes: int) -> None:
    """Keep the log's content aside and start it anew once it is longer than `limit_bytes`; its writers append."""
    if log.exists() and log.stat().st_size > limit_bytes:
        log.with_suffix(".log.1").write_bytes(log.read_bytes())
        os.truncate(log, 0)


def start_logs_anew(plan: Plan) -> None:
    for log in plan.folder("logs").glob("*.log"):
        rotate(log, limit_bytes=0)


def last_lines(log: Path, *, count: int) -> list[str]:
    if not log.exists():
        return []
    with open(log, "rb") as file:
        file.seek(max(0, log.stat().st_size - 64 * 1024))
        return file.read().decode(errors="replace").splitlines()[-count:]


def pss_bytes(process: psutil.Process) -> int:
    """The proportional share of memory of `process` and all below it."""
    below: list[psutil.Process] = []
    with suppress(psutil.Error):
        below = process.children(recursive=True)
    total = 0
    for one in [process, *below]:
        with suppress(psutil.Error):
            total += one.memory_full_info().pss
    return total


def run_quietly(plan: Plan, name: str, command: Command, *, stopping: threading.Event) -> tuple[int, str]:
    """Run a step to its end, its errors in its log; the exit code and what it printed. `stopping` kills it."""
    with open(plan.folder("logs") / f"{name}.log", "ab") as log:
        child = subprocess.Popen(
            command.argv,
            env=_environment(plan, name, command),
            cwd=command.cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
        while True:
            try:
                out, _ = child.communicate(timeout=0.2)
                return child.returncode, out.decode()
            except subprocess.TimeoutExpired:
                if stopping.is_set():
                    child.kill()


def _records(var: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and record of each part; one that was dropped meanwhile, or that a machine's crash left empty, is none."""
    for path in sorted((var / "run").glob("*.json")):
        with suppress(FileNotFoundError, json.JSONDecodeError):
            yield path.stem, json.loads(path.read_text())
