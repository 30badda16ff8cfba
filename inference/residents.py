"""Says which models leave the device's memory for another. Pure.

The least recently used goes first, as pages of memory do. One that is at work stays, but not for ever: after `STAY_S`
it may go too, and comes back with its next tile, so that a long batch of one model never shuts the others out.
"""

from collections.abc import Iterable
from dataclasses import dataclass

STAY_S = 30.0  # many times what it takes to load one
AT_WORK_S = 2.0  # after its last tile, for the next may be on its way


@dataclass(frozen=True, slots=True)
class Resident:
    """A loaded model: how long ago it was last used and loaded, and whether work of the asking process needs it."""

    name: str
    memory_mb: int
    idle_s: float
    stayed_s: float
    in_use: bool = False

    @property
    def may_go(self) -> bool:
        return self.stayed_s >= STAY_S or not (self.in_use or self.idle_s < AT_WORK_S)


def to_unload(residents: Iterable[Resident], *, needed_mb: int, budget_mb: int) -> list[str] | None:
    """Names of those that make room, as few as can be, oldest use first; None where there is no room yet.

    `budget_mb`: of all together; 0 for no limit.
    """
    there = list(residents)
    excess_mb = sum(one.memory_mb for one in there) + needed_mb - budget_mb
    if budget_mb == 0 or excess_mb <= 0:
        return []
    leaving: list[Resident] = []
    for one in sorted((one for one in there if one.may_go), key=lambda one: (one.in_use, -one.idle_s)):
        leaving.append(one)
        excess_mb -= one.memory_mb
        if excess_mb <= 0:
            return [one.name for one in _needed(leaving, spare_mb=-excess_mb)]
    return None


def _needed(leaving: list[Resident], *, spare_mb: int) -> list[Resident]:
    """Without those whose going is not needed after all, since a larger one goes too: the most recently used first."""
    kept: list[Resident] = []
    for one in reversed(leaving):
        if one.memory_mb <= spare_mb:
            spare_mb -= one.memory_mb
        else:
            kept.append(one)
    return kept[::-1]
