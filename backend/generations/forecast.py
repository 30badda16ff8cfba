"""Says when a job will end, from what waits and from how long it took until now. Pure: numpy alone.

What waits is shared out as the scheduler does it, as if compute flowed: all workspaces of a lane get the same for their
weight, and all people of a workspace the same. So what is done before a job ends is known, in compute. How long that
takes is learned from the jobs that ended last: how long they ran for their compute, how much compute was done in a
second when there was enough of it, and what came on top. How wrong such predictions were says how wide the range has to
be in which nine of ten jobs end. (A regression on what was ahead of them fails: of batches that are sent at once the
first knew too little.)

Sources: Parekh, Gallager 1993, "A Generalized Processor Sharing Approach to Flow Control"; Vovk, Gammerman, Shafer,
"Algorithmic Learning in a Random World", 2005: the range is a split conformal prediction, of relative errors, widened
by what these can't tell of a time yet to come: that a large job comes in between, and that the machine gets slower.
"""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from backend.generations.scheduler import Flow, Lane

_Floats = NDArray[np.float64]
_Id = uuid.UUID | None

# Before anything has ended: a tenth of a second to read and to write, and as long as was estimated.
_FIXED_S, _OWN = 0.15, 0.8
_PRIOR_COUNTS = 8  # jobs
_PRIOR_SPREAD = 0.5  # of the logarithm: a range from half to twice
_MOST_BESIDE_S = 0.3  # to read, to encode and to keep it
_MOST_OFF = 0.7  # of the logarithm, by which all predictions are corrected together
_USUAL_DRIFT, _LEAST_DRIFT = 0.08, 0.05  # of what waits: so much faster or slower a machine gets meanwhile
_STRETCH_S, _STRETCHES, _FEW = 15.0, 8, 5  # of which its speed is compared; and less jobs than that say nothing of it
_NOT_BY_CHANCE = 0.95  # of the busiest of many stretches
_ROW = 10  # jobs that ended one after another: their estimates by the time say how much is done at once
_LEAST_S = 0.02
_LEAST_LEFT = 0.25
_LATELY_S = 60.0  # so long a lane's load is looked back at
UNIT_S = 0.5  # a tile of a lower lane, that is not interrupted
_COVERED = (0.05, 0.95)
_NINE_OF_TEN = 1.64  # standard deviations to both sides, where errors are as Gauss says
_SMALLEST_PART = 1e-6


class Ended(NamedTuple):
    """A job that succeeded: its compute and that ahead of it in its lane, as estimated; how long it ran, and took in
    all; how long it was said to take, 0 where nothing was said; and when it ended, in seconds from now, below 0.
    """

    own_s: float
    ahead_s: float
    ran_s: float
    took_s: float
    said_s: float = 0.0
    at_s: float = 0.0


class Expected(NamedTuple):
    """Seconds from now. Nine of ten jobs end between `earliest` and `latest`."""

    starts: float
    ends: float
    earliest: float
    latest: float


class Backlog:
    """Seconds of compute that wait or are under way, of each person in each lane. Summed once, asked often.

    `of`: of each workspace in a lane, its people's; `weights`: of workspaces, where they are not 1.
    """

    def __init__(
        self,
        of: Mapping[Flow, Mapping[uuid.UUID, float]] | None = None,
        *,
        weights: Mapping[uuid.UUID, float] | None = None,
    ) -> None:
        self._weights: dict[_Id, float] = dict((weights or {}).items())
        # By lane and workspace: by person, and in all. Of each lane a part of that is left.
        self._people: dict[Lane, dict[_Id, dict[_Id, float]]] = {lane: {} for lane in Lane}
        self._homes: dict[Lane, dict[_Id, float]] = {lane: {} for lane in Lane}
        self._left = dict.fromkeys(Lane, 1.0)
        for (lane, workspace_id, _), people in (of or {}).items():
            self._people[lane][workspace_id] = dict(people.items())
            self._homes[lane][workspace_id] = sum(people.values())

    def add(self, flow: Flow, own_s: float) -> None:
        lane, home, person = flow
        own_s /= self._left[lane]
        people, homes = self._people[lane].setdefault(home, {}), self._homes[lane]
        people[person] = people.get(person, 0.0) + own_s
        homes[home] = homes.get(home, 0.0) + own_s

    def drain(self, done_s: float) -> None:
        """So much compute was done since: of the lanes in their order, of each who waits in it the same part."""
        for lane in sorted(Lane, key=lambda lane: lane.rank):
            waits_s = self.waits_s(lane)
            if done_s < waits_s:
                self._left[lane] *= 1.0 - done_s / waits_s
                if self._left[lane] < _SMALLEST_PART:
                    self._write_out(lane)
                return
            self._people[lane], self._homes[lane], self._left[lane] = {}, {}, 1.0
            done_s -= waits_s

    def _write_out(self, lane: Lane) -> None:
        left, self._left[lane] = self._left[lane], 1.0
        self._homes[lane] = {home: left * waits_s for home, waits_s in self._homes[lane].items()}
        for home, people in self._people[lane].items():
            self._people[lane][home] = {person: left * waits_s for person, waits_s in people.items()}

    def waits_s(self, lane: Lane) -> float:
        return self._left[lane] * sum(self._homes[lane].values())

    def ahead_s(self, flow: Flow, own_s: Sequence[float]) -> _Floats:
        """Of jobs that are asked for now, one after another: the compute that is done before each of them ends."""
        lane, home, person = flow
        own = np.asarray(own_s, np.float64)
        waits_s = self._left[lane] * self._people[lane].get(home, {}).get(person, 0.0)
        return self.done_s(flow, waits_s + np.cumsum(own)) - own

    def sooner_s(self, lane: Lane) -> float:
        """What waits in the lanes above."""
        return sum(self.waits_s(other) for other in Lane if other.rank < lane.rank)

    def done_s(self, flow: Flow, upto: _Floats) -> _Floats:
        """All compute that is done until the person has been given as much as each of `upto`."""
        lane, home, person = flow
        left = self._left[lane]
        colleagues = _without(person, self._people[lane].get(home, {}))
        waits_s = left * np.array([*colleagues.values()], np.float64)
        upto_home = upto + _given(waits_s, np.ones(len(colleagues)), upto)  # what the workspace must be given
        others = _without(home, self._homes[lane])
        weights = np.array([self._weights.get(other, 1.0) for other in others], np.float64)
        upto_others = _given(
            left * np.array([*others.values()], np.float64), weights / self._weights.get(home, 1.0), upto_home
        )
        later = sum(self.waits_s(other) for other in Lane if other.rank > lane.rank)
        return upto_home + upto_others + self.sooner_s(lane) + min(later, UNIT_S)


def _without(key: _Id, of: Mapping[_Id, float]) -> dict[_Id, float]:
    rest = {**of}
    rest.pop(key, None)
    return rest


def _given(waits: _Floats, weights: _Floats, each: _Floats) -> _Floats:
    """The sum of what those who wait are given, where each gets its weight times `each`, or all that it waits for."""
    order = np.argsort(waits / weights)
    waits, weights = waits[order], weights[order]
    served = np.searchsorted(waits / weights, each, side="right")
    summed, left = (np.concatenate([[0.0], np.cumsum(of)]) for of in (waits, weights))
    result: _Floats = summed[served] + each * (left[-1] - left[served])
    return result


@dataclass(frozen=True, slots=True)
class Speed:
    """How long compute takes: what was learned of one task in one lane."""

    fixed_s: float
    own: float  # seconds for each of its own compute
    ahead: float  # seconds for each of the compute ahead
    at_once: float  # seconds of compute, as estimated, that are done in one, in whatever lane
    low: float = float(np.exp(-_PRIOR_SPREAD))  # of what is predicted
    high: float = float(np.exp(_PRIOR_SPREAD))
    drift: float = _USUAL_DRIFT
    lump_s: float = 0.0  # so much sooner or later than if compute flowed, for a person's jobs are done one by one

    def expected(self, own_s: float, ahead_s: float) -> Expected:
        alone_s = self.own * own_s
        starts = max(self.ahead * (ahead_s + own_s) - alone_s, 0.0)
        ends = max(self.fixed_s + starts + alone_s, _LEAST_S)
        # Each by chance of its own, so that they hardly ever add up.
        drift, lump = self.drift * starts, min(starts, self.lump_s)
        below, above = (float(np.sqrt((off * ends) ** 2 + drift**2 + lump**2)) for off in (1 - self.low, self.high - 1))
        return Expected(starts, ends, max(ends - below, 0.0), ends + above)


def learned(
    ended: Sequence[Ended],
    *,
    ratio: float,
    at_once: float,
    above: Sequence[tuple[float, float]] = (),
    since: float = -np.inf,
    drift: float = _USUAL_DRIFT,
    lump: float = 0.0,
) -> Speed:
    """From jobs that ended.

    `ratio`: what such jobs cost, of what was estimated, in whatever lane; `at_once`: seconds of compute, as estimated,
    done in one; `above`: of each job of the lanes above when it ended and its compute: what those that are learned from
    had to let go first, and what is taken from those to come, if it goes on as lately; `since`: from when on all of
    these are known, below 0; `drift`: as `unevenness` says, and `lump` as `residual`.
    """
    above_s, lately = _done_s(above), max(-_LATELY_S, min(since, -1.0))
    load = float(above_s(lately, 0.0)) / -lately
    if not ended:
        left = _left_to(at_once, load)
        return Speed(_FIXED_S, _OWN * ratio, 1.0 / left, at_once, drift=drift, lump_s=lump / left)
    own_s, ahead_s, ran_s, took_s, said_s, at_s = np.array(ended, np.float64).T
    asked = at_s - took_s
    ahead_s = ahead_s + above_s(np.maximum(asked, since), at_s)
    ahead_s += load * np.maximum(np.minimum(since, at_s) - asked, 0.0)  # before what is known
    took_s = np.maximum(took_s, _LEAST_S)
    fixed_s, own = _alone(own_s, ran_s, took_s - ran_s, queued=ahead_s > at_once * ran_s, ratio=ratio)
    # It is done when all is that was ahead, and it, but no sooner than alone. What is off is corrected for each apart,
    # and shrunk by a few jobs that are made up: what is learned of a short queue goes for a long one, too.
    alone_s, queued_s = own * own_s, (ahead_s + own_s) / at_once
    spread = _PRIOR_SPREAD * np.sqrt(_PRIOR_COUNTS / (len(ended) + _PRIOR_COUNTS))
    prior = np.linspace(-spread, spread, _PRIOR_COUNTS)
    off = np.log(took_s / np.maximum(fixed_s + np.maximum(alone_s, queued_s), _LEAST_S))
    by_alone, by_queued = (
        float(np.exp(np.clip(np.median([*off[of], *prior]), -_MOST_OFF, _MOST_OFF)))
        for of in (alone_s > queued_s, alone_s <= queued_s)
    )
    ends_s = np.maximum(by_alone * fixed_s + np.maximum(by_alone * alone_s, by_queued * queued_s), _LEAST_S)
    low, high = np.quantile([*np.log(took_s / ends_s), *prior], _COVERED)
    # What was said then was said with what was known then: as far off as that was the next may be, too.
    was_off = np.log(took_s / np.maximum(said_s, _LEAST_S))[said_s > 0]
    if len(was_off) > _PRIOR_COUNTS:
        was_low, was_high = np.quantile(was_off - np.median(was_off), _COVERED)
        low, high = min(low, was_low), max(high, was_high)
    left = _left_to(at_once / by_queued, load)
    return Speed(
        fixed_s * by_alone,
        own * by_alone,
        1.0 / left,
        at_once,
        low=float(np.exp(min(low, 0.0))),
        high=float(np.exp(max(high, 0.0))),
        drift=drift,
        lump_s=lump / left,
    )


def _alone(
    own_s: _Floats, ran_s: _Floats, waited_s: _Floats, *, queued: NDArray[np.bool_], ratio: float
) -> tuple[float, float]:
    """What each job takes beside its compute, and for a second of that; `queued` had much ahead."""
    # Low quantiles, and no more than its compute: a job that shared the model with others ran longer, and that is
    # counted as ahead of it. (Where all do, as those of a batch that wait in one worker, none ran alone.)
    own = min(float(np.quantile(ran_s / np.maximum(own_s, 1e-3), 0.25)), ratio)
    # Of those alone that had little ahead: what the others waited for is in what was ahead of them.
    beside_s = np.maximum(waited_s, 0.0)[~queued]
    fixed_s = float(np.quantile(beside_s, 0.2)) * len(beside_s) / len(own_s) if len(beside_s) else 0.0
    fixed_s += min(float(np.quantile(np.maximum(ran_s - own * own_s, 0.0), 0.2)), _MOST_BESIDE_S)
    known = len(own_s) / (len(own_s) + _PRIOR_COUNTS)
    return known * min(fixed_s, 1.0) + (1 - known) * _FIXED_S, known * own + (1 - known) * _OWN * ratio


def unevenness(costs: Sequence[tuple[float, float]]) -> float:
    """By what part compute gets dearer or cheaper in nine of ten stretches of time, seen by the last two minutes or
    what is known of them.

    `costs`: of jobs of one task when each ended, in seconds from now, and what its compute took, of what was estimated.
    """
    at_s, ratios = np.array(costs, np.float64).reshape(-1, 2).T
    stretch = np.floor(-at_s / np.clip(np.max(-at_s, initial=0.0) / _STRETCHES, 1.0, _STRETCH_S))
    by_stretch = [ratios[stretch == number] for number in range(_STRETCHES)]
    middles = [np.log(max(float(np.median(of)), _LEAST_S)) for of in by_stretch if len(of) >= _FEW]
    if len(middles) < _STRETCHES // 2:
        return _USUAL_DRIFT
    return float(np.clip(_NINE_OF_TEN * np.std(middles), _LEAST_DRIFT, _MOST_OFF))


def residual(own_s: Sequence[float]) -> float:
    """What may be left of a job that is being done, of jobs of these sizes, or was not begun yet though its turn had
    come: of one than which nine tenths of the compute are of no larger ones, as much as nine of ten are off who come at
    any moment of it.
    """
    sizes = np.sort(np.asarray(own_s, np.float64))
    summed = np.cumsum(sizes)
    if not len(sizes) or summed[-1] <= 0:
        return 0.0
    return 0.9 * float(sizes[np.searchsorted(summed, 0.9 * summed[-1])]) / 2


def looked_back(ended: Sequence[Ended], ends: Sequence[tuple[float, float]]) -> list[Ended]:
    """Jobs as if they had been asked for with all known that was done before them in their lane.

    `ends`: of all jobs of that lane that are known, when it ended and its compute. Who waited for longer than these
    reach back is seen as if it had been asked for when the first of them ended; who ran by then is left out.
    """
    done_s, first_s = _done_s(ends), min(ends)[0] if ends else 0.0
    found = list[Ended]()
    for job in ended:
        since = max(job.at_s - job.took_s, first_s) if ends else job.at_s
        if since <= job.at_s - job.ran_s:
            ahead_s = max(0.0, float(done_s(since, job.at_s)) - job.own_s)
            found.append(job._replace(ahead_s=ahead_s, took_s=job.at_s - since, said_s=0.0))
    return found


def _done_s(ends: Sequence[tuple[float, float]]) -> Callable[[ArrayLike, ArrayLike], _Floats]:
    """The compute of those jobs, of (when it ended, its compute), that ended after the one moment, until the other."""
    ordered = np.array(sorted(ends), np.float64).reshape(-1, 2)
    summed = np.concatenate([[0.0], np.cumsum(ordered[:, 1])])

    def between(since: ArrayLike, until: ArrayLike) -> _Floats:
        first, last = (np.searchsorted(ordered[:, 0], moment, side="right") for moment in (since, until))
        result: _Floats = summed[np.maximum(first, last)] - summed[first]
        return result

    return between


def _left_to(at_once: float, load: float) -> float:
    """What is done of a lane's compute in a second, while those above it go on to ask for as much as lately."""
    return max(at_once - load, _LEAST_LEFT * at_once)


def done_at_once(ends: Sequence[tuple[float, float]], *, least: float) -> float:
    """Seconds of compute, as estimated, that are done in one: in the busiest stretch of jobs, (when it ended, its
    estimate). As estimated, for side by side tiles take longer than alone, and what that comes to is seen so.
    """
    ordered = np.array(sorted(ends), np.float64).reshape(-1, 2)
    if len(ordered) <= _ROW:
        return least
    summed = np.cumsum(ordered[:, 1])
    computed, seconds = summed[_ROW:] - summed[:-_ROW], ordered[_ROW:, 0] - ordered[:-_ROW, 0]
    return max(least, float((computed / np.maximum(seconds, _LEAST_S)).max()) * _NOT_BY_CHANCE)
