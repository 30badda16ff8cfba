"""Hides how counts fade: a count halves each half-life, and a row of counts shares one clock."""

import math
from collections.abc import Iterable, Iterator
from typing import Any

FAINT = 1e-3  # a count this small changes no ranking; dropping it keeps rows short


class Row:
    """Counts of items that fade exponentially, all told as of one moment `at` (seconds since 1970).

    A late observation is counted with the weight that it would have had by now, so the order in which observations
    arrive does not matter. Source: Cormode, Shkapenyuk, Srivastava and Xu 2009, "Forward decay", section 3.
    """

    __slots__ = ("at", "counts", "half_life_s", "limit")

    def __init__(self, half_life_s: float, *, limit: int = 64) -> None:
        self.half_life_s = half_life_s
        self.limit = limit  # items kept; the faintest goes first
        self.at = 0.0
        self.counts: dict[str, float] = {}

    def add(self, item: str, at: float, weight: float = 1.0) -> None:
        if at > self.at:
            self._fade_to(at)
        else:
            weight *= self._factor(self.at - at)
        self.counts[item] = self.counts.get(item, 0.0) + weight
        if len(self.counts) > self.limit:
            del self.counts[min(self.counts, key=lambda known: (self.counts[known], known))]

    def read(self, items: Iterable[str], at: float) -> dict[str, float]:
        """The counts of `items` as of `at`, those above zero."""
        factor = self._factor(at - self.at) if at > self.at else 1.0
        return {item: self.counts[item] * factor for item in items if item in self.counts}

    def _fade_to(self, at: float) -> None:
        factor = self._factor(at - self.at)
        self.at = at
        self.counts = {item: count * factor for item, count in self.counts.items() if count * factor > FAINT}

    def _factor(self, age_s: float) -> float:
        return math.exp2(-min(age_s / self.half_life_s, 1000.0))  # beyond 2^-1000 a float is zero in any case

    def __bool__(self) -> bool:
        return bool(self.counts)

    def __iter__(self) -> Iterator[str]:
        return iter(self.counts)

    def dump(self) -> list[Any]:
        return [self.at, self.counts]

    @classmethod
    def load(cls, stored: list[Any], half_life_s: float, *, limit: int = 64) -> "Row":
        row = cls(half_life_s, limit=limit)
        row.at, row.counts = float(stored[0]), dict(stored[1])
        return row
