"""Processes: they die with their supervisor, are known again after a crash, and strangers are left alone."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from backend.embedded import children
from backend.embedded.children import Command
from backend.embedded.plan import ROOT, Plan

SLEEP = Command([sys.executable, "-S", "-c", "import time; time.sleep(60)"])
STUBBORN = Command(
    [
        sys.executable,
        "-S",
        "-c",
        "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True); time.sleep(60)",
    ]
)
# A supervisor that starts one child, says its pid and waits to be killed.
SUPERVISOR = """
import signal, sys, time
from pathlib import Path
from backend.embedded import children, plan
found = plan.load(Path(sys.argv[1]), web_port=None, demo=False)
command = children.Command([sys.executable, "-S", "-c", "import time; time.sleep(60)"])
print(children.start(found, "toy", command, dies_by=signal.SIGKILL).pid, flush=True)
time.sleep(60)
"""


def ends(process: psutil.Process, *, timeout_s: float = 5.0) -> bool:
    gone, _ = psutil.wait_procs([process], timeout=timeout_s)
    return bool(gone)


def test_a_child_dies_with_its_supervisor(plan: Plan) -> None:
    """kill -9 of the supervisor takes the child along."""
    supervisor = subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, str(plan.var)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert supervisor.stdout is not None
    child = psutil.Process(int(supervisor.stdout.readline()))
    supervisor.kill()
    supervisor.communicate()
    assert ends(child)


def test_a_left_over_is_cleared(plan: Plan) -> None:
    """A marked process of an earlier life is ended, and its record is gone."""
    child = children.start(plan, "toy", SLEEP, dies_by=signal.SIGKILL)
    (plan.var / "run" / "toy.json").unlink()  # the marks in its environment are enough
    assert children.clear_left_over(plan.var, stops={}) == ["toy"]
    assert child.poll() is not None
    assert children.clear_left_over(plan.var, stops={}) == []


def test_a_stranger_with_a_recorded_number_is_left_alone(plan: Plan) -> None:
    """A pid that belongs to somebody else now is not ours."""
    stranger = subprocess.Popen(SLEEP.argv)
    record = {"pid": stranger.pid, "started": time.time() - 3600, "port": 0}
    (plan.folder("run") / "toy.json").write_text(json.dumps(record))
    assert children.clear_left_over(plan.var, stops={}) == []
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


def test_a_record_that_a_crash_left_empty_is_none(plan: Plan) -> None:
    """Neither the next start nor `status` stumbles over it."""
    (plan.folder("run") / "toy.json").touch()
    assert list(children.running(plan.var)) == []
    assert children.clear_left_over(plan.var, stops={}) == []


def test_another_var_is_left_alone(plan: Plan, tmp_path: Path) -> None:
    """Two stacks on one machine don't end each other's processes."""
    child = children.start(plan, "toy", SLEEP, dies_by=signal.SIGKILL)
    assert children.clear_left_over(tmp_path / "other", stops={}) == []
    assert child.poll() is None
    children.stop(child, by=signal.SIGTERM, grace_s=5)


def test_who_does_not_listen_is_killed(plan: Plan) -> None:
    """After the grace it is over."""
    child = children.start(plan, "toy", STUBBORN, dies_by=signal.SIGKILL)
    log = plan.var / "logs" / "toy.log"
    while not log.read_text():
        time.sleep(0.01)
    children.stop(child, by=signal.SIGTERM, grace_s=0.2)
    assert child.returncode == -signal.SIGKILL


def test_what_a_child_left_in_its_session_goes_too(plan: Plan) -> None:
    """A grandchild doesn't outlive the stop."""
    code = f"import subprocess, time; print(subprocess.Popen({SLEEP.argv}).pid, flush=True); time.sleep(60)"
    child = children.start(plan, "toy", Command([sys.executable, "-S", "-c", code]), dies_by=signal.SIGKILL)
    log = plan.var / "logs" / "toy.log"
    while not log.read_text().endswith("\n"):
        time.sleep(0.01)
    grandchild = psutil.Process(int(log.read_text()))
    children.stop(child, by=signal.SIGTERM, grace_s=5)
    assert ends(grandchild)


def test_the_running_are_told_with_memory(plan: Plan) -> None:
    """What `status` shows: name, process, port and a share of memory."""
    child = children.start(plan, "toy", SLEEP, dies_by=signal.SIGKILL, port=4711)
    ((name, process, port),) = children.running(plan.var)
    assert (name, process.pid, port) == ("toy", child.pid, 4711)
    assert 1_000_000 < children.pss_bytes(process) < 100_000_000
    children.stop(child, by=signal.SIGTERM, grace_s=5)
    assert list(children.running(plan.var)) == []


def test_a_long_log_is_moved_aside(tmp_path: Path) -> None:
    """Its writer goes on at the start of an empty file."""
    log = tmp_path / "toy.log"
    with open(log, "ab", buffering=0) as writer:
        writer.write(b"x" * 100)
        children.rotate(log, limit_bytes=99)
        writer.write(b"new")
    assert (log.read_bytes(), log.with_suffix(".log.1").read_bytes()) == (b"new", b"x" * 100)


def test_the_last_lines_of_a_log(tmp_path: Path) -> None:
    """The end of it, and nothing where there is none."""
    log = tmp_path / "toy.log"
    assert children.last_lines(log, count=2) == []
    log.write_text("a\nb\nc\n")
    assert children.last_lines(log, count=2) == ["b", "c"]


@pytest.mark.parametrize(("code", "expected"), [("print('out')", (0, "out\n")), ("raise SystemExit(3)", (3, ""))])
def test_a_step_tells_its_code_and_output(plan: Plan, code: str, expected: tuple[int, str]) -> None:
    """What it printed is not in its log, its errors are."""
    command = Command([sys.executable, "-S", "-c", code])
    assert children.run_quietly(plan, "step", command, stopping=threading.Event()) == expected


def test_a_step_is_killed_when_the_stack_stops(plan: Plan) -> None:
    """It doesn't hold the stop up."""
    stopping = threading.Event()
    stopping.set()
    code, _ = children.run_quietly(plan, "step", SLEEP, stopping=stopping)
    assert code == -signal.SIGKILL


def test_a_child_knows_its_part(plan: Plan) -> None:
    """The marks by which it is found again."""
    child = children.start(plan, "toy", SLEEP, dies_by=signal.SIGKILL)
    while not (marks := psutil.Process(child.pid).environ()):  # empty in the moment when it becomes the program
        time.sleep(0.01)
    assert (marks["ATELIER_PART"], marks["ATELIER_VAR"]) == ("toy", str(plan.var))
    assert os.getsid(child.pid) == child.pid
    children.stop(child, by=signal.SIGTERM, grace_s=5)
