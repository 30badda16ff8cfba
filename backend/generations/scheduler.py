"""Says whose job is next: weighted fair shares of compute, first among workspaces, then among the people of one. Pure.

Start-time fair queueing. Each flow (a workspace; a person in one) has a clock: the compute that it was given, divided
by its weight. The flow whose clock is lowest is next, and is charged the job's estimate when it is claimed, and what
it really cost when it ends. So ten dear jobs weigh what they cost, not what they count. A flow that begins to wait
joins at the lowest clock of those that are served: being idle saves nothing up, and costs nothing either.

Each lane has clocks of its own, and the batch lane takes what the interactive one leaves: a night's batch is not held
against who asks for one picture in the morning.

Source: Goyal, Vin, Cheng 1996, "Start-time Fair Queueing", section 2: two flows that both wait differ by at most one of
their largest jobs each, |W_f/φ_f − W_g/φ_g| ≤ l_f/φ_f + l_g/φ_g.
"""

import uuid
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
    """A person in a workspace, or (without a person) the workspace itself, in one lane."""

    lane: Lane
    workspace_id: uuid.UUID
    person_id: uuid.UUID | None = None

    @property
    def parent(self) -> tuple[Lane, uuid.UUID | None]:
        """Equal for those whose clocks are compared: the workspaces of a lane, the people of a workspace in it."""
        return self.lane, self.workspace_id if self.person_id else None


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

    def admit(self, job: Waiting, held: Collection[Flow]) -> bool:
        """Whether a worker that holds jobs of the people `held` may take that one, too."""
        if len(held) >= self.jobs or list(held).count(job.flows[1]) >= self.person:
            return False
        return job.lane != Lane.BATCH or sum(flow.lane == Lane.BATCH for flow in held) < self.batch


@dataclass(frozen=True, slots=True)
class Share:
    """`busy`: the flow waited or ran when we last looked, so its clock is current."""

    clock_us: int = 0
    busy: bool = False


@dataclass(frozen=True, slots=True)
class Shares:
    """The state between decisions. A flow that is not there has never waited."""

    of: Mapping[Flow, Share] = field(default_factory=dict)
    weights: Mapping[Flow, float] = field(default_factory=dict)  # 1.0 where not given

    def clock_us(self, flow: Flow) -> int:
        return self.of.get(flow, Share()).clock_us

    def charged(self, flows: Iterable[Flow], cost_us: int) -> "Shares":
        """With `cost_us` (negative: given back) on the clock of each of `flows`."""
        changed = {
            flow: replace(self.of.get(flow, Share()), clock_us=self.clock_us(flow) + self.weighed(flow, cost_us))
            for flow in flows
        }
        return replace(self, of={**self.of, **changed})

    def weighed(self, flow: Flow, cost_us: int) -> int:
        return round(cost_us / self.weights.get(flow, 1.0))


def order(
    waiting: Sequence[Waiting], shares: Shares, *, running: frozenset[Flow] = frozenset()
) -> tuple[list[Waiting], Shares]:
    """`waiting` in the order in which to try to claim them, and the shares with those who joined or left.

    `running`: the flows (of both levels) that have a job under way. Equal clocks go by job id, which is by age.
    """
    shares = joined(shares, running.union(*(job.flows for job in waiting)))
    return sorted(
        waiting, key=lambda job: (job.lane.rank, *(shares.clock_us(flow) for flow in job.flows), job.job_id)
    ), shares


def joined(shares: Shares, busy: Collection[Flow]) -> Shares:
    """Let flows that begin to be busy start at their siblings' lowest clock, and mark those that are busy no more."""
    updated = {flow: replace(share, busy=flow in busy) for flow, share in shares.of.items()}
    for flow in busy:
        known = shares.of.get(flow, Share())
        if not known.busy:
            updated[flow] = Share(clock_us=max(known.clock_us, _floor_us(shares, flow, busy)), busy=True)
    return replace(shares, of=updated)


def _floor_us(shares: Shares, flow: Flow, busy: Collection[Flow]) -> int:
    siblings = {other: share for other, share in shares.of.items() if other.parent == flow.parent}
    served = [share.clock_us for other, share in siblings.items() if share.busy and other in busy]
    return min(served) if served else max((share.clock_us for share in siblings.values()), default=0)
