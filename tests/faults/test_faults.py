"""Each kind of fault once, in the midst of people's work: what was acknowledged holds, and all goes on.

What a fault does and when is drawn from a seed that a failure shows; ATELIER_FAULT_SEED=… draws the same again. Kills
of single parts, and each kind twenty times and longer: `make bench NAME=faults`.
"""

import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import pytest

from backend.embedded.children import last_lines
from tests.conftest import CLEAN_ENVIRONMENT
from tests.faults.kinds import KINDS
from tests.faults.rounds import play
from tests.faults.stack import FaultStack, fault_stack
from tests.faults.workload import crew
from tests.smoke.story import Person

SEED = int(os.environ.get("ATELIER_FAULT_SEED") or secrets.randbelow(10**6))
LEASE_S = 3  # half of what it is elsewhere, for the test waits for three of them in turn
LOG_LINES, LINE_CHARS = 200, 200
AN_ERROR = '"level": "error"'
TESTED = [name for name, kind in KINDS.items() if kind.use != "bench"]


@pytest.fixture(scope="module")
def stack() -> Iterator[FaultStack]:
    with fault_stack({**CLEAN_ENVIRONMENT, "JOB_LEASE_S": str(LEASE_S)}) as found:
        yield found


@pytest.fixture(scope="module")
def people(stack: FaultStack) -> Iterator[Mapping[str, Person]]:
    with crew(stack) as found:
        yield found


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", TESTED)
def test_what_was_acknowledged_outlives(stack: FaultStack, people: Mapping[str, Person], name: str) -> None:
    """Nothing acknowledged is lost or doubled, all is served again, and what needs no absent part goes on."""
    with _logs_of_a_failure(stack):
        outcome = play(stack, people, KINDS[name], seed=SEED, length="short")
        print(outcome.says)
        assert outcome.violations == []


@contextmanager
def _logs_of_a_failure(stack: FaultStack) -> Iterator[None]:
    """Its folder goes with the stack; what its parts said last is all that is left to learn from."""
    try:
        yield
    except BaseException:
        logs = {log.name: last_lines(log, count=LOG_LINES) for log in sorted((stack.var / "logs").glob("*.log"))}
        for name, lines in logs.items():
            print(f"--- {name}", *(line[:LINE_CHARS] for line in lines), sep="\n")
        print("--- errors")  # whole, and last, for who shows a long output leaves its middle out
        print(*(f"{name}: {line}" for name, lines in logs.items() for line in lines if AN_ERROR in line), sep="\n")
        raise


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_a_second_start_is_quick(stack: FaultStack, record_property: Callable[[str, object], None]) -> None:
    """Stopped by Ctrl-C, and up again at the same address with the same data, about as soon as at the first time."""
    stopped_s = stack.stop()
    began = time.monotonic()
    stack.start()
    started_s = time.monotonic() - began
    record_property("started_s", started_s)
    print(f"stopped in {stopped_s:.1f} s, up again in {started_s:.1f} s; at first in {stack.first_start_s:.1f} s")
    assert stopped_s < stack.first_start_s
    assert started_s < 2 * stack.first_start_s
