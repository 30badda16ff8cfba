"""Says whose job is next: weighted fair shares of compute, first among workspaces, then among the people of one. Pure.

Start-time fair queueing. Each flow (a workspace; a person in one) has a clock: the compute that it was given, divided
by its weight. The flow whose clock is lowest is next, and is charged the job's estimate when it is claimed, and what
it really cost when it ends. So ten dear jobs weigh what they cost, not what they count. A flow that begins to wait
joins at the clock at which another was served last, if its own is lower: being idle saves nothing up, and costs nothing
either.

Each lane has clocks of its own, and the batch lane takes what the interactive one leaves: a night's batch is not held
against who asks for one picture in the morning.

Source: Goyal, Vin, Cheng 1996, "Start-time Fair Queueing", section 2: two flows that both wait differ by at most one of
their largest jobs each, |W_f/φ_f − W_g/φ_g| ≤ l_f/φ_f + l_g/φ_g.
"""

import uuid
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import NamedTuple


class Lane(StrEnum):
    INTERACTIVE = "interactive"  # somebody waits for it
    BATCH = "batch"

    @property
    def rank(self) -> int:
        """The lower one goes first."""
        return list(Lane).index(self)


class Flow(NamedTuple):
    """A person in a workspace; without the person the workspace, and without that the whole lane."""

    lane: Lane
    workspace_id: uuid.UUID | None = None
    person_id: uuid.UUID | None = None

    @property
    def parent(self) -> "Flow":
        """Whose compute it is a share of."""
        return Flow(self.lane, self.workspace_id if self.person_id else None)


@dataclass(frozen=True, slots=True)
class Waiting:
    """The oldest job of one person in one workspace and lane that may start now."""

    job_id: uuid.UUID
    lane: Lane
    workspace_id: uuid.UUID
    person_id: uuid.UUID
    cost_us: int

    @property
    def flows(self) -> tuple[Flow, Flow]:
        return Flow(self.lane, self.workspace_id), Flow(self.lane, self.workspace_id, self.person_id)


@dataclass(frozen=True, slots=True)
class Limits:
    """How many jobs one worker holds at once. What the batch lane may not have is kept for those who wait."""

    jobs: int
    batch: int
    person: int  # of one in a lane: some are read or written while others compute

    def open_lanes(self, held: Collection[Flow]) -> list[Lane]:
        """From which a worker that holds jobs of the people `held` may take one more."""
        if len(held) >= self.jobs:
            return []
        batch = sum(flow.lane == Lane.BATCH for flow in held)
        return [lane for lane in Lane if lane != Lane.BATCH or batch < self.batch]

    def full(self, held: Collection[Flow]) -> list[Flow]:
        """The people of whom it may take no more."""
        return [flow for flow, count in Counter(held).items() if count >= self.person]


@dataclass(frozen=True, slots=True)
class Share:
    """`floor_us`: the clock, at that moment, of the one below that was served last. It never goes back."""

    clock_us: int = 0
    floor_us: int = 0


@dataclass(frozen=True, slots=True)
class Shares:
    """The state between decisions. A flow that is not there has never waited."""

    of: Mapping[Flow, Share] = field(default_factory=dict)
    weights: Mapping[Flow, float] = field(default_factory=dict)  # 1.0 where not given

    def clock_us(self, flow: Flow) -> int:
        return self._share(flow).clock_us

    def joined(self, flows: Iterable[Flow]) -> "Shares":
        """With `flows`, which begin to wait, not below those who waited."""
        shares = {flow: (self._share(flow), self._share(flow.parent).floor_us) for flow in flows}
        return self._with(
            {flow: replace(share, clock_us=max(share.clock_us, floor)) for flow, (share, floor) in shares.items()}
        )

    def charged(self, flows: Iterable[Flow], cost_us: int) -> "Shares":
        """With `cost_us` (negative: given back) on the clock of each of `flows`."""
        costs = {flow: round(cost_us / self.weights.get(flow, 1.0)) for flow in flows}
        return self._with(
            {flow: replace(self._share(flow), clock_us=self.clock_us(flow) + cost) for flow, cost in costs.items()}
        )

    def served(self, flows: Sequence[Flow], cost_us: int) -> "Shares":
        """`charged` for what begins now: from here on nobody joins below it."""
        floors = {flow.parent: max(self._share(flow.parent).floor_us, self.clock_us(flow)) for flow in flows}
        raised = {parent: replace(self._share(parent), floor_us=floor) for parent, floor in floors.items()}
        return self._with(raised).charged(flows, cost_us)

    def without(self, flows: Iterable[Flow]) -> "Shares":
        gone = set(flows)
        of = {flow: share for flow, share in self.of.items() if flow not in gone}
        return Shares(of, {flow: weight for flow, weight in self.weights.items() if flow not in gone})

    def _share(self, flow: Flow) -> Share:
        return self.of.get(flow, Share())

    def _with(self, changed: Mapping[Flow, Share]) -> "Shares":
        return replace(self, of={**self.of, **changed})


def order(waiting: Iterable[Waiting], shares: Shares) -> list[Waiting]:
    """`waiting` in the order in which to try to claim them. Equal clocks go by job id, which is by age."""
    return sorted(waiting, key=lambda job: (job.lane.rank, *map(shares.clock_us, job.flows), job.job_id))
