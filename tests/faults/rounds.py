"""One round: people at work, a fault in the midst of it, and whether everything that must hold holds afterwards."""

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tests.faults.invariants import gather, recovery_s, violations
from tests.faults.kinds import Kind
from tests.faults.stack import FaultStack
from tests.faults.workload import NEEDS, Workload
from tests.smoke.story import Person

WARM_S, SERVING_S, SETTLE_S = 60.0, 120.0, 90.0  # the second is four times the bar, to tell slow from stuck
SLACK_S = 0.5  # the actors go on for this long after all have been served


@dataclass(frozen=True, slots=True)
class Outcome:
    says: str  # the fault as it was drawn, and the seed that draws it again
    violations: list[str]
    recovery_s: Mapping[str, float | None]  # by act; None: never

    @property
    def slowest_s(self) -> float:
        return max((SERVING_S if took_s is None else took_s for took_s in self.recovery_s.values()), default=SERVING_S)


def play(
    stack: FaultStack, people: Mapping[str, Person], kind: Kind, *, seed: int, length: Literal["short", "long"]
) -> Outcome:
    """The fault that `seed` draws of `kind`, with the invariants checked after it."""
    draw = random.Random(f"{seed} {kind.name}")
    workload = Workload(stack.url, people, seed=f"{seed} {kind.name}")
    try:
        workload.open()
        workload.start()
        _until_all_served(workload, after=0.0, within_s=WARM_S)
        time.sleep(draw.uniform(0.0, 1.0))
        began = time.monotonic()
        with kind.make(stack, draw) as fault:
            time.sleep(kind.short_s if length == "short" else draw.uniform(*kind.lasts_s))
        ended = fault.ended or time.monotonic()
        _until_all_served(workload, after=ended, within_s=SERVING_S)
        time.sleep(SLACK_S)
        unended = workload.stop(timeout_s=SETTLE_S)
        seen = gather(stack, workload, fault, began=began, ended=ended, unended=unended)
        says = f"ATELIER_FAULT_SEED={seed} {kind.name}: {fault.says}"
        return Outcome(says, violations(seen), recovery_s(seen))
    finally:
        workload.close()


def _until_all_served(workload: Workload, *, after: float, within_s: float) -> None:
    """Until each act has succeeded once after that moment, or the time is over."""
    end = time.monotonic() + within_s
    while any(workload.ledger.served_at(act, after=after) is None for act in NEEDS) and time.monotonic() < end:
        time.sleep(0.05)
