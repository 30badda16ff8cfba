"""Measures a mixed load beside what others would write: a queue of pictures that nobody waits for is kept full, while
somebody asks for a small one every two seconds.

Ours is the whole stack, asked through its API. What people write first is four Celery workers that call PyTorch
themselves, with PyTorch's own choice of threads or with one each: the better of both is what counts, figure by figure.
Beside it are shown the same with a queue in which who waits goes first, LitServe, and Ray Serve. All have one network,
dtype and S3; see `_inference_peers`. One works at a time, in rounds that go from one to the next.

Throughput is in megapixels read, of both kinds, from the first that ended to the last. Who still waits at the end of a
span has waited at least so long, and counts with that. Memory is the most that the processes have at once (PSS, each
second): of ours the worker, Triton and the models' processes; of Celery the workers and the process that hands them
their work; of LitServe and Ray Serve all that they start. PostgreSQL, Valkey, S3 and our web process are nobody's.
"""

import itertools
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from inference.models import SPAN_X2
from inference.networks import weights
from tests.bench import _inference_contenders as contenders
from tests.bench._followed import Followed
from tests.bench._inference_contenders import Contender, Lane, Stack
from tests.bench._pictures import SIDES, megapixels, photographs, single_tile
from tests.bench.enhance import upload
from tests.bench.fairness import people

QUICK = bool(os.environ.get("QUICK"))
ROUNDS = 1 if QUICK else 3
IN_FLIGHT, EVERY_S = 24, 2.0
ASK_S, PATIENCE_S = (16.0, 4.0) if QUICK else (40.0, 20.0)
BATCH_SIDES = ((384, 384), (512, 512)) if QUICK else SIDES
WARM, SETTLED = 2 * contenders.WORKERS, contenders.WORKERS
STILL_S = 180.0  # without a picture: then something is broken
OF_RATE, OF_P95, OF_MEMORY = 1.0, 0.5, 0.6

CONTENDERS: Mapping[str, Callable[[Stack], AbstractContextManager[Contender]]] = {
    "Atelier": contenders.atelier,
    "Celery": contenders.naive,
    "Celery, one thread": partial(contenders.naive, threads=1),
    "Celery, one thread, who waits first": partial(contenders.naive, threads=1, tuned=True),
    "LitServe": partial(contenders.served, program="lit"),
    "Ray Serve": partial(contenders.served, program="ray_serve"),
}
OURS, FIRST = "Atelier", ("Celery", "Celery, one thread")


@dataclass(frozen=True, slots=True)
class Asked:
    path: Path
    lane: Lane
    at: float


@dataclass(slots=True)
class Played:
    """What a contender showed in its rounds. `still`: how many of `waits_s` had not ended."""

    rates: list[float] = field(default_factory=list)  # megapixels a second
    waits_s: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)  # bytes
    still: int = 0

    @property
    def rate(self) -> float:
        return statistics.median(self.rates)

    @property
    def p50_s(self) -> float:
        return statistics.median(self.waits_s)

    @property
    def p95_s(self) -> float:
        return sorted(self.waits_s)[int(0.95 * len(self.waits_s))]

    @property
    def most_bytes(self) -> float:
        return max(self.memory)

    def said(self) -> str:
        waits = f"who waits: p50 {self.p50_s:.2f} s, p95 {self.p95_s:.2f} s of {len(self.waits_s)}"
        still = f", {self.still} still waiting" if self.still else ""
        return f"{waits}{still}; {self.most_bytes / 1e6:.0f} MB"


class Load:
    """Keeps a contender's queue full, and knows what is under way and what ended."""

    def __init__(self, contender: Contender, batch: Sequence[Path]) -> None:
        self._contender = contender
        self._next = itertools.cycle(batch)
        self._under: dict[str, Asked] = {}
        self.ended: list[tuple[Asked, float]] = []

    def ask(self, path: Path, lane: Lane) -> None:
        at = time.perf_counter()
        self._under[self._contender.submit(path, lane)] = Asked(path, lane, at)

    def fill(self) -> None:
        while len(self.under_way("batch")) < IN_FLIGHT:
            self.ask(next(self._next), "batch")

    def hear(self, timeout_s: float) -> bool:
        """Whether one ended within that time. Raises: RuntimeError where it failed."""
        ended = self._contender.next(timeout_s)
        if ended is None:
            return False
        if ended.why:
            raise RuntimeError(f"a picture failed: {ended.why}")
        if asked := self._under.pop(ended.id, None):  # an event may come twice
            self.ended.append((asked, ended.at))
        return True

    def hear_all(self, count: int, then: Callable[[], None] = lambda: None) -> None:
        """Until so many more have ended, `then` after each. Raises: TimeoutError."""
        until = len(self.ended) + count
        while len(self.ended) < until:
            if not self.hear(STILL_S):
                raise TimeoutError("no picture was done")
            then()

    def under_way(self, lane: Lane) -> list[Asked]:
        return [asked for asked in self._under.values() if asked.lane == lane]


def play(contender: Contender, batch: Sequence[Path], small: Path, into: Played) -> None:
    load = Load(contender, batch)
    for _ in range(WARM):
        load.ask(small, "interactive")
    load.hear_all(WARM)
    load.fill()
    load.hear_all(SETTLED, then=load.fill)
    began, asks = load.ended[-1][1], 0
    with weighed(contender) as memory:
        while (now := time.perf_counter() - began) < ASK_S or (
            load.under_way("interactive") and now < ASK_S + PATIENCE_S
        ):
            if asks * EVERY_S <= now < ASK_S:
                load.ask(small, "interactive")
                asks += 1
            load.hear(0.05)
            load.fill()
    seen = [(asked, at) for asked, at in load.ended if at > began]
    last = max((at for _, at in seen), default=time.perf_counter())
    into.rates.append(sum(megapixels(asked.path) for asked, _ in seen) / (last - began))
    into.waits_s += [at - asked.at for asked, at in seen if asked.lane == "interactive"]
    still = load.under_way("interactive")
    into.waits_s += [time.perf_counter() - asked.at for asked in still]
    into.still += len(still)
    into.memory += memory


@contextmanager
def weighed(contender: Contender) -> Iterator[list[float]]:
    """Bytes, each second."""
    found, stop = list[float](), threading.Event()

    def weigh() -> None:
        while not stop.wait(1.0):
            found.append(contender.pss_bytes())

    thread = threading.Thread(target=weigh)
    thread.start()
    try:
        yield found
    finally:
        stop.set()
        thread.join()


@contextmanager
def stack(folder: Path, batch: Sequence[Path], small: Path) -> Iterator[Stack]:
    made = weights.prepare(SPAN_X2, folder / "weights").path
    with people(1, 2) as (plan, (waiting, busy)):
        assets = {path: upload(busy.client, busy.project, path.read_bytes()) for path in (small, *batch)}
        yield Stack(plan, waiting, busy, Followed(busy.client, busy.project), assets, made)


def names() -> list[str]:
    """Those that CONTENDERS names, with semicolons between; by default all, or those with a bar where QUICK."""
    asked = [name.strip() for name in os.environ.get("CONTENDERS", "").split(";") if name.strip()]
    return asked or ([OURS, *FIRST] if QUICK else list(CONTENDERS))


def rows() -> list[dict[str, Any]]:
    played = {name: Played() for name in names()}
    if {"LitServe", "Ray Serve"} & set(played):
        contenders.install_peers()
    with tempfile.TemporaryDirectory() as folder:
        batch, small = photographs(Path(folder), BATCH_SIDES), single_tile(Path(folder))
        with stack(Path(folder), batch, small) as under:
            for _ in range(ROUNDS):
                for name, into in played.items():
                    began = time.monotonic()
                    with CONTENDERS[name](under) as contender:
                        play(contender, batch, small, into)
                    took_s = time.monotonic() - began
                    print(f"{name}: {into.rates[-1]:.3f} MP/s; {into.said()}; {took_s:.0f} s", file=sys.stderr)
    return [*_compared(played), *(_shown(name, one) for name, one in played.items())]


def _compared(played: Mapping[str, Played]) -> list[dict[str, Any]]:
    """Ours by what people write first, where both were played."""
    first = [played[name] for name in FIRST if name in played]
    if OURS not in played or not first:
        return []
    ours = played[OURS]
    best = [max(rates) for rates in zip(*(one.rates for one in first), strict=True)]
    rate = statistics.median(our / their for our, their in zip(ours.rates, best, strict=True))
    p95 = ours.p95_s / min(one.p95_s for one in first)
    memory = ours.most_bytes / min(one.most_bytes for one in first)
    return [
        _bar("mixed load, of four Celery workers: throughput", rate, f">= {OF_RATE}", rate >= OF_RATE),
        _bar("mixed load, of four Celery workers: p95 of who waits", p95, f"<= {OF_P95}", p95 <= OF_P95),
        _bar("mixed load, of four Celery workers: memory", memory, f"<= {OF_MEMORY}", memory <= OF_MEMORY),
    ]


def _bar(name: str, value: float, bar: str, ok: bool) -> dict[str, Any]:
    beside = "the better of PyTorch's own threads and one each"
    return {"name": name, "value": round(value, 3), "unit": "x", "bar": bar, "ok": ok, "beside": beside}


def _shown(name: str, played: Played) -> dict[str, Any]:
    row = {"name": f"mixed load: {name}", "value": round(played.rate, 3), "unit": "megapixels/s", "bar": None}
    return {**row, "ok": None, "beside": played.said()}
