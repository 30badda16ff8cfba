"""Toy parts, real processes: started in order of need, healed, given up with a reason, stopped in order."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import psutil
import pytest

from backend.embedded import children
from backend.embedded import supervisor as supervisors
from backend.embedded.parts import Part, Step
from backend.embedded.plan import Plan, StackError
from backend.embedded.progress import Silent
from backend.embedded.supervisor import Supervisor

Toy = Callable[..., Part]


class Heard(Silent):
    """Keeps what would be shown."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


@contextmanager
def supervised(plan: Plan, parts: list[Part], steps: list[Step] | None = None) -> Iterator[Supervisor]:
    supervisor = Supervisor(plan, parts=parts, steps=steps or [], progress=Heard())
    try:
        yield supervisor
    finally:
        supervisor.stop()


def heard(supervisor: Supervisor) -> list[str]:
    assert isinstance(supervisor.progress, Heard)
    return supervisor.progress.lines


def pid_of(plan: Plan, name: str) -> int:
    return {part: process.pid for part, process, _ in children.running(plan.var)}.get(name, 0)


def until(test: Callable[[], object], *, timeout_s: float = 10.0) -> bool:
    end = time.monotonic() + timeout_s
    while not test():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def test_who_needs_another_waits_for_it(plan: Plan, toy: Toy) -> None:
    """A part, then a step on it, then a part on the step: shown in that order with their times."""
    step = Step("step", lambda plan: ["-c", 'print(\'{"Ada": "link"}\')'], needs=("below",))
    above = toy("above", "ready(); time.sleep(60)", needs=("step",))
    below = toy("below", "time.sleep(0.3); ready(); time.sleep(60)")
    with supervised(plan, [above, below], [step]) as supervisor:
        supervisor.start()
        assert [line.split()[1] for line in heard(supervisor)] == ["below", "step", "above"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_a_part_that_dies_is_started_again(plan: Plan, toy: Toy, number: signal.Signals) -> None:
    """Whatever it died of, within a second."""
    with supervised(plan, [toy("a", "ready(); time.sleep(60)")]) as supervisor:
        supervisor.start()
        first = pid_of(plan, "a")
        os.kill(first, number)
        assert until(lambda: pid_of(plan, "a") not in (0, first), timeout_s=5)
        assert until(lambda: any("a is back" in line for line in heard(supervisor)))


def test_a_part_that_is_broken_is_started_anew(plan: Plan, toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that lives but says several times in turn that it can't work any more."""
    monkeypatch.setattr("backend.embedded.supervisor.LOOK_S", 0.05)
    mark = plan.var / "broken"
    part = replace(toy("a", "ready(); time.sleep(60)"), broken=lambda plan: mark.exists())
    with supervised(plan, [part]) as supervisor:
        supervisor.start()
        first = pid_of(plan, "a")
        assert not until(lambda: pid_of(plan, "a") != first, timeout_s=0.5)
        mark.touch()
        assert until(lambda: any("was broken" in line for line in heard(supervisor)))
        mark.unlink()
        assert until(lambda: pid_of(plan, "a") not in (0, first))


def test_a_process_of_ours_that_hangs_at_its_second_start_is_started_anew(
    plan: Plan, toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was ready before, so it gets no more than some seconds; then twice as many."""
    monkeypatch.setattr(supervisors, "AGAIN_TIMEOUT_S", 0.5)
    monkeypatch.setattr(supervisors, "AGAIN_TIMES", 0)
    starts = plan.folder("run") / "starts"
    script = f"path = Path({str(starts)!r}); path.open('a').write('x'); path.stat().st_size in (2, 3) or ready()"
    with supervised(plan, [replace(toy("a", f"from pathlib import Path; {script}; time.sleep(60)"), layer=1)]) as parts:
        parts.start()
        os.kill(pid_of(plan, "a"), signal.SIGKILL)
        assert until(lambda: any("a is back" in line for line in heard(parts)))
        told = [line for line in heard(parts) if "was not ready" in line]
        assert [line.split(" within ")[1].split(";")[0] for line in told] == ["0 s", "1 s"]


def test_a_part_that_never_gets_ready_stops_the_start(plan: Plan, toy: Toy) -> None:
    """The person sees which, and the end of its log."""
    broken = toy("broken", "print('no such device'); raise SystemExit(7)")
    with supervised(plan, [broken]) as supervisor, pytest.raises(StackError, match=r"(?s)code 7.*no such device"):
        supervisor.start()


def test_a_failed_step_stops_the_start(plan: Plan, toy: Toy) -> None:
    """With the end of what it said."""
    step = Step("step", lambda plan: ["-c", "raise SystemExit('out of luck')"], needs=())
    with supervised(plan, [], [step]) as supervisor, pytest.raises(StackError, match=r"(?s)exit code 1.*out of luck"):
        supervisor.start()


def test_a_start_that_takes_too_long_says_for_whom_it_waited(plan: Plan, toy: Toy) -> None:
    """Not a silent hang."""
    slow = [toy("slow", "time.sleep(60)")]
    with supervised(plan, slow) as supervisor, pytest.raises(StackError, match="slow was not ready"):
        supervisor.start(timeout_s=0.3)


def test_the_upper_layer_is_stopped_first(plan: Plan, toy: Toy) -> None:
    """What stands on a part ends before it, so that it can finish what it has in hand."""
    tell = "import signal; signal.signal(15, lambda *_: (open({path!r}, 'a').write({name!r}), exit(0)))\n"
    order = str(plan.var / "order")
    parts = [
        toy(name, tell.format(path=order, name=name) + "ready(); time.sleep(60)", layer=layer)
        for name, layer in (("a", 0), ("b", 1))
    ]
    with supervised(plan, parts) as supervisor:
        supervisor.start()
    assert (plan.var / "order").read_text() == "ba"
    assert list(children.running(plan.var)) == []


def test_an_outer_part_is_not_started(plan: Plan, toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address in the environment says that somebody else runs it."""
    monkeypatch.setenv("VALKEY_URL", "redis://valkey.example.org/0")
    with supervised(plan, [toy("a", "ready(); time.sleep(60)", url="VALKEY_URL")]) as supervisor:
        supervisor.start()
        assert pid_of(plan, "a") == 0


def test_a_stop_during_the_start_ends_it(plan: Plan, toy: Toy) -> None:
    """Ctrl-C doesn't wait for what isn't ready."""
    with supervised(plan, [toy("slow", "time.sleep(60)")]) as supervisor:
        supervisor.ask_to_stop()
        with pytest.raises(StackError, match="Stopped"):
            supervisor.start()
    assert not [process for process in psutil.process_iter() if process.pid == pid_of(plan, "slow")]
