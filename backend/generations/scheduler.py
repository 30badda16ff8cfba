"""Says whose job is next: weighted fair shares of compute, first among workspaces, then among the people of one. Pure.

Start-time fair queueing. Each flow (a workspace; a person in one) has a clock: the compute that it was given, divided
by its weight. The flow whose clock is lowest is next, and is charged the job's estimate when it is claimed, and what
it really cost when it ends. So ten dear jobs weigh what they cost, not what they count. A flow that begins to wait
joins at the lowest clock of those that are served: being idle saves nothing up, and costs nothing either.

Source: Goyal, Vin, Cheng 1996, "Start-time Fair Queueing", section 2: two flows that both wait differ by at most one of
their largest jobs each, |W_f/φ_f − W_g/φ_g| ≤ l_f/φ_f + l_g/φ_g.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

Flow = tuple[uuid.UUID, uuid.UUID | None]  # (workspace, person), or (workspace, None) for the workspace itself


@dataclass(frozen=True, slots=True)
class Waiting:
    """The oldest job of one person in one workspace that may start now."""

    job_id: uuid.UUID
    workspace_id: uuid.UUID
    person_id: uuid.UUID
    cost_us: int

    @property
    def flows(self) -> tuple[Flow, Flow]:
        return (self.workspace_id, None), (self.workspace_id, self.person_id)


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
    busy = running.union(*(job.flows for job in waiting))
    shares = _join(shares, busy)
    return sorted(waiting, key=lambda job: (*(shares.clock_us(flow) for flow in job.flows), job.job_id)), shares


def _join(shares: Shares, busy: frozenset[Flow]) -> Shares:
    """Let flows that begin to be busy start at their siblings' lowest clock, and mark those that are busy no more."""
    updated = {flow: replace(share, busy=flow in busy) for flow, share in shares.of.items()}
    for flow in busy:
        known = shares.of.get(flow, Share())
        if not known.busy:
            updated[flow] = Share(clock_us=max(known.clock_us, _floor_us(shares, flow, busy)), busy=True)
    return replace(shares, of=updated)


def _floor_us(shares: Shares, flow: Flow, busy: frozenset[Flow]) -> int:
    served = [
        share.clock_us for other, share in shares.of.items() if share.busy and other in busy and _siblings(flow, other)
    ]
    return min(served) if served else max((s.clock_us for f, s in shares.of.items() if _siblings(flow, f)), default=0)


def _siblings(one: Flow, other: Flow) -> bool:
    """Both workspaces, or both people of one workspace."""
    if one[1] is None or other[1] is None:
        return one[1] is None and other[1] is None
    return one[0] == other[0]
