"""What the actors of a round write down: each attempt, and everything that was acknowledged to them."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx


class Refused(Exception):
    """An attempt that did not succeed, in words for the report. Nothing was acknowledged."""


class Abandoned(Exception):
    """The round ended in the middle of an attempt that others had to help along: it is not written down."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One go at an act; the times are monotonic. `why` is empty where it succeeded."""

    act: str
    began: float
    ended: float
    why: str

    @property
    def took_s(self) -> float:
        return self.ended - self.began


@dataclass(slots=True)
class Ledger:
    """Each actor writes in fields of its own, so no lock is needed.

    What was tried but not acknowledged may have happened once or not at all: `tried` counts the keys of each act.
    """

    attempts: list[Attempt] = field(default_factory=list)
    tried: Counter[str] = field(default_factory=Counter)
    strokes: dict[str, dict[str, Any]] = field(default_factory=dict)  # by the key of the element
    documents: dict[str, dict[str, Any]] = field(default_factory=dict)  # the answers by Idempotency-Key, so are jobs
    assets: dict[str, dict[str, Any]] = field(default_factory=dict)  # by file name
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    ended_jobs: dict[str, dict[str, Any]] = field(default_factory=dict)  # by the job's id
    acts: int = 0
    is_member: bool | None = None  # what was acknowledged last; None: the last change was not
    wrong_replays: list[str] = field(default_factory=list)

    @contextmanager
    def attempt(self, act: str) -> Iterator[None]:
        """Time the block and write down how it ended; the actor goes on either way."""
        began, why = time.monotonic(), ""
        try:
            yield
        except Abandoned:
            return
        except Refused as exc:
            why = str(exc)
        except httpx.TransportError as exc:
            why = type(exc).__name__
        self.attempts.append(Attempt(act, began, time.monotonic(), why))

    def attempts_of(self, act: str, *, since: float = 0.0) -> list[Attempt]:
        """Those that ended after that moment."""
        return [attempt for attempt in list(self.attempts) if attempt.act == act and attempt.ended > since]

    def served_at(self, act: str, *, after: float) -> float | None:
        """When the first of those that were begun after that moment succeeded."""
        attempts = self.attempts_of(act, since=after)
        return min((attempt.ended for attempt in attempts if attempt.began > after and not attempt.why), default=None)
