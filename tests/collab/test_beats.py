"""When a socket is seen to: often enough for a stock client, and when its right ends; never all at once."""

import time
import weakref
from datetime import UTC, datetime, timedelta

import pytest

from backend.core import ids
from collab.beats import BEAT_S, SPARE, Beats
from collab.ports import Grant
from collab.protocol import KEEP_ALIVE
from collab.seats import Seat
from tests.collab.table import Out


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def beats(clock: Clock) -> Beats:
    return Beats(clock)


def seat(*, ends_in_s: float | None = None) -> Seat:
    until = None if ends_in_s is None else datetime.now(UTC) + timedelta(seconds=ends_in_s)
    return Seat(Grant(ids.new_id(), "Ada", "#000000", ids.new_id(), ids.new_id(), 1, "write", until), Out())


def heard(one: Seat) -> int:
    """How often a frame has come since the last time."""
    assert isinstance(one.outlet, Out)
    frames, one.outlet.frames = one.outlet.frames, []
    assert frames == [KEEP_ALIVE] * len(frames)
    return len(frames)


def test_a_quiet_socket_hears_something_before_its_client_hangs_up(beats: Beats, clock: Clock) -> None:
    """y-websocket does after 30 s of silence; a crowd that came at once is spread."""
    crowd = [seat() for _ in range(200)]
    for one in crowd:
        beats.add(one)
    silent_s, all_heard = dict.fromkeys(crowd, 0), 0
    for _ in range(100):
        clock.now += 1
        assert beats.beat() == []
        now_heard = [heard(one) for one in crowd]
        assert sum(now_heard) < 100
        all_heard += sum(now_heard)
        silent_s = {one: 0 if some else silent_s[one] + 1 for one, some in zip(crowd, now_heard, strict=True)}
        assert max(silent_s.values()) < 28
    assert all_heard == len(crowd) * 100 / BEAT_S


def test_a_right_that_ends_is_seen_within_a_second(beats: Beats, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that was shortened since; not one that was prolonged, nor of who has left."""
    short, shortened, prolonged, gone = seat(ends_in_s=3), seat(), seat(ends_in_s=3), seat(ends_in_s=3)
    for one in (short, shortened, prolonged, gone):
        beats.add(one)
    shortened.grant, prolonged.grant = seat(ends_in_s=3).grant, seat(ends_in_s=60).grant
    for one in (shortened, prolonged):
        beats.renew(one)
    beats.discard(gone)
    clock.now += 2.9
    assert beats.beat() == []
    clock.now += 1
    now = time.time() + 3.9
    monkeypatch.setattr(time, "time", lambda: now)
    assert set(beats.beat()) == {short, shortened}


def test_who_has_left_hears_nothing(beats: Beats, clock: Clock) -> None:
    gone = seat()
    beats.add(gone)
    beats.discard(gone)
    clock.now += 2 * BEAT_S
    assert beats.beat() == []
    assert heard(gone) == 0


def test_nothing_is_kept_of_who_has_left(beats: Beats) -> None:
    """A session's right ends weeks after its socket."""
    gone = seat(ends_in_s=1e6)
    beats.add(gone)
    beats.renew(gone)
    beats.discard(gone)
    left = weakref.ref(gone.outlet)
    del gone
    assert left() is None
    for _ in range(1000):
        passing = seat(ends_in_s=1e6)
        beats.add(passing)
        beats.discard(passing)
    assert len(beats._ends) <= SPARE + 1
