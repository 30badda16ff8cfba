"""Says when a job will end, from what waits and from how long it took until now. Pure: numpy alone.

What waits is shared out as the scheduler does it, as if compute flowed: all workspaces of a lane get the same, and all
people of a workspace. So what is done before a job ends is known, in compute. How long that takes is learned from the
jobs that ended last: seconds = a + b · the job's own compute + c · compute ahead of it. How wrong such predictions were
says how wide the range has to be in which nine of ten jobs end.

Sources: Parekh, Gallager 1993, "A Generalized Processor Sharing Approach to Flow Control"; Vovk, Gammerman, Shafer,
"Algorithmic Learning in a Random World", 2005: the range is a split conformal prediction, of relative errors.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from backend.generations.scheduler import Flow

_Floats = NDArray[np.float64]

# Before anything has ended: two processes that compute, and a tenth of a second to read and to write.
_PRIOR = (0.15, 0.8, 0.55)
_PRIOR_COUNTS = 8  # jobs
_PRIOR_SPREAD = 0.5  # of the logarithm: a range from half to twice
_LEAST_S = 0.02
UNIT_S = 0.5  # a tile of a lower lane, that is not interrupted
_COVERED = (0.05, 0.95)


class Ended(NamedTuple):
    """A job that succeeded: its own compute, the compute that was ahead of it, and how long it took from its asking."""

    own_s: float
    ahead_s: float
    took_s: float


class Expected(NamedTuple):
    """Seconds from now. Nine of ten jobs end between `earliest` and `latest`."""

    starts: float
    ends: float
    earliest: float
    latest: float


@dataclass(slots=True)
class Backlog:
    """Seconds of compute that wait or are under way, of each person in each lane."""

    of: dict[Flow, float] = field(default_factory=dict)

    def add(self, flow: Flow, own_s: float) -> None:
        self.of[flow] = self.of.get(flow, 0.0) + own_s

    def ahead_s(self, flow: Flow, own_s: Sequence[float]) -> _Floats:
        """Of jobs that are asked for now, one after another: the compute that is done before each of them ends."""
        own = np.asarray(own_s, np.float64)
        return self.done_s(flow, self.of.get(flow, 0.0) + np.cumsum(own)) - own

    def done_s(self, flow: Flow, upto: _Floats) -> _Floats:
        """All compute that is done until the person has been given as much as each of `upto`."""
        homes: defaultdict[Flow, float] = defaultdict(float)
        sooner = later = 0.0  # what goes before this lane, and after it
        colleagues = []
        for other, waits_s in self.of.items():
            if other.lane.rank < flow.lane.rank:
                sooner += waits_s
            elif other.lane.rank > flow.lane.rank:
                later += waits_s
            elif other.lane == flow.lane and other.parent == flow.parent and other != flow:
                colleagues.append(waits_s)
            elif other.lane == flow.lane and other.parent != flow.parent:
                homes[other.parent] += waits_s
        upto_home = upto + _given(colleagues, upto)  # what the workspace must be given
        return upto_home + _given(list(homes.values()), upto_home) + sooner + min(later, UNIT_S)


def _given(waiting_s: Sequence[float], each: _Floats) -> _Floats:
    """The sum of what those who wait are given, where each gets `each`, or all that it waits for."""
    ordered = np.sort(np.asarray(waiting_s, np.float64))
    summed = np.concatenate([[0.0], np.cumsum(ordered)])
    served = np.searchsorted(ordered, each, side="right")
    result: _Floats = summed[served] + each * (len(ordered) - served)
    return result


@dataclass(frozen=True, slots=True)
class Speed:
    """How long compute takes: what was learned of one task in one lane."""

    weights: tuple[float, float, float] = _PRIOR
    low: float = float(np.exp(-_PRIOR_SPREAD))  # of what is predicted
    high: float = float(np.exp(_PRIOR_SPREAD))

    def expected(self, own_s: float, ahead_s: float) -> Expected:
        fixed, own, ahead = self.weights
        ends = max(fixed + own * own_s + ahead * ahead_s, _LEAST_S)
        return Expected(min(ahead * ahead_s, ends), ends, self.low * ends, self.high * ends)


def learned(ended: Sequence[Ended], *, ratio: float = 1.0) -> Speed:
    """From jobs that ended. Fitted to the relative error: a short job counts as a long one.

    `ratio`: what such jobs cost, of what was estimated, in whatever lane.
    """
    fixed, own, ahead = _PRIOR
    prior = (fixed, own * ratio, ahead * ratio)
    if not ended:
        return Speed(prior)
    seen = np.array(ended, np.float64)
    took = np.maximum(seen[:, 2], _LEAST_S)
    factors = np.column_stack([np.ones(len(seen)), seen[:, 0], seen[:, 1]])
    rows = factors / took[:, None]
    # The prior stands in for some jobs that took what it says, of the sizes that were seen.
    said = np.maximum(factors @ np.array(prior), _LEAST_S)
    weight = np.sqrt(_PRIOR_COUNTS / len(seen))
    rows = np.vstack([rows, weight * factors / said[:, None]])
    aims = np.concatenate([np.ones(len(seen)), np.full(len(seen), weight)])
    fitted = _positive(rows, aims)
    predicted = np.maximum(factors @ fitted, _LEAST_S)
    off = np.concatenate([np.log(took / predicted), _spread_of_prior()])
    low, middle, high = (float(value) for value in np.exp(np.quantile(off, [_COVERED[0], 0.5, _COVERED[1]])))
    fixed, own, ahead = (float(value) * middle for value in fitted)
    return Speed((fixed, own, ahead), low / middle, high / middle)


def _spread_of_prior() -> _Floats:
    return np.linspace(-_PRIOR_SPREAD, _PRIOR_SPREAD, _PRIOR_COUNTS)


def _positive(rows: _Floats, aims: _Floats) -> _Floats:
    """Least squares with weights that are not negative: what would be is left out, and the others fitted again."""
    kept = list(range(rows.shape[1]))
    while True:
        found, *_ = np.linalg.lstsq(rows[:, kept], aims, rcond=None)
        if (found >= 0).all() or len(kept) == 1:
            result: _Floats = np.zeros(rows.shape[1])
            result[kept] = np.maximum(found, 0.0)
            return result
        kept = [at for at, value in zip(kept, found, strict=True) if value >= 0]
