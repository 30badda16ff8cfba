"""Says whose tile goes to the model next, of the jobs that run in this process: the scheduler's shares, piece by piece.

The claim alone could not see to it: a picture of a thousand tiles, once claimed, would have the model to itself.
Clocks here last as long as somebody's job runs; what lasts longer is the claim's.
"""

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from typing import Protocol

from backend.generations.scheduler import Flow, Lane, Shares


class Job(Protocol):
    """What is asked of a claim."""

    @property
    def lane(self) -> Lane: ...
    @property
    def flows(self) -> tuple[Flow, Flow]: ...
    @property
    def estimate_us(self) -> int: ...
    @property
    def weights(self) -> Mapping[Flow, float]: ...


class Turns:
    def __init__(self) -> None:
        self._lock = threading.Lock()  # jobs come and go in their threads; the client asks in its own
        self._shares = Shares()
        self._busy: Counter[Flow] = Counter()
        self._numbers = count()

    @contextmanager
    def of(self, job: Job) -> Iterator["JobTurn"]:
        """The job's turn, while it runs."""
        with self._lock:
            weights = {**self._shares.weights, **job.weights}  # as they are by now
            joined = self._shares.joined(flow for flow in job.flows if flow not in self._busy)
            self._shares = replace(joined, weights=weights)
            self._busy.update(job.flows)
        try:
            yield JobTurn(self, job, next(self._numbers))
        finally:
            with self._lock:
                self._busy.subtract(job.flows)
                self._busy = +self._busy
                left = (flow for flow in job.flows if flow not in self._busy)
                self._shares = self._shares.without(left)

    def clocks_us(self, flows: tuple[Flow, ...]) -> tuple[int, ...]:
        return tuple(self._shares.clock_us(flow) for flow in flows)

    def serve(self, flows: tuple[Flow, ...], cost_us: int) -> None:
        with self._lock:
            self._shares = self._shares.served(flows, cost_us)

    def correct(self, flows: tuple[Flow, ...], by_us: int) -> None:
        with self._lock:
            self._shares = self._shares.charged(flows, by_us)


@dataclass(frozen=True, slots=True)
class JobTurn:
    """As `inference.gate.Turn`. Jobs of one person go one after another, and not all a little."""

    turns: Turns
    job: Job
    number: int
    part: float = 1.0  # of the job's compute, that is asked for now

    def of_part(self, part: float) -> "JobTurn":
        """The turn of one step of the job, whose shares are of that step."""
        return replace(self, part=part)

    def rank(self) -> tuple[float, ...]:
        return self.job.lane.rank, *self.turns.clocks_us(self.job.flows), self.number

    def took(self, share: float) -> None:
        self.turns.serve(self.job.flows, self._estimate_us(share))

    def used(self, share: float, compute_s: float) -> None:
        self.turns.correct(self.job.flows, round(1e6 * compute_s) - self._estimate_us(share))

    def _estimate_us(self, share: float) -> int:
        return round(share * self.part * self.job.estimate_us)


turns = Turns()
