"""A model that answers in parts, on a real tritonserver: they come as they finish, each once, whatever happens."""

import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import tritonclient.grpc as grpc  # type: ignore[import-untyped]  # the package ships no types

from inference import mending, registry, server, tiles
from inference.client import Client
from inference.errors import InferenceCancelled, InferenceFailed, InferenceTimeout
from inference.runs import Progress, Result
from inference.tiles import Picture
from tests.inference.answering import MODEL, Parameters, brightest
from tests.inference.tritonserver import Triton, await_ready

PICTURE = np.random.default_rng(5).integers(0, 256, (500, 301, 3), dtype=np.uint8)
WHOLE = np.zeros((8, 8, 3), np.uint8)
ONE_TILE = np.ascontiguousarray(PICTURE[:256, :256])
PARTS = 16  # of that one


@pytest.fixture(scope="module")
def session_triton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Triton]:
    """One with the model of these tests, in one instance."""
    with pytest.MonkeyPatch.context() as patch:
        tasks, models = registry.load(["tests.inference.answering"])
        patch.setattr(registry, "TASKS", tasks)
        patch.setattr(registry, "MODELS", models)
        triton = Triton(tmp_path_factory.mktemp("answering"))
        server.build(triton.var, instances=1)
        triton.start()
        yield triton
        triton.stop()


@pytest.fixture(scope="module")
def session_client(session_triton: Triton) -> Iterator[Client]:
    client = Client(session_triton.url, in_flight=2)
    await_ready(client)
    yield client
    client.close()


@dataclass
class Notes:
    """What the model has begun since the test did."""

    path: Path

    def begun(self) -> int:
        return len(self.path.read_text().splitlines())


@pytest.fixture
def notes(client: Client, triton: Triton) -> Notes:
    _run(client, WHOLE)  # now it is loaded
    folder = triton.var / "triton" / "models" / MODEL.served / "1"
    (folder / "raised").unlink(missing_ok=True)
    (folder / "begun").write_text("")
    return Notes(folder / "begun")


@dataclass
class Accounts:
    """A turn that notes what it is told."""

    taken: list[float] = field(default_factory=list)
    given: list[tuple[float, float]] = field(default_factory=list)

    def rank(self) -> tuple[float, ...]:
        return ()

    def took(self, share: float) -> None:
        self.taken.append(share)

    def used(self, share: float, compute_s: float) -> None:
        self.given.append((share, compute_s))


def _run(client: Client, picture: Picture = ONE_TILE, told: Parameters | None = None, **but: Any) -> Result:
    usual: dict[str, Any] = {"on_progress": lambda now: None, "cancelled": lambda: False, "timeout_s": 60.0}
    return client.run("brightest", picture, told or Parameters(), **{**usual, **but})


def _expected(picture: Picture) -> Picture:
    """In one piece."""
    height, width = picture.shape[:2]
    [whole] = tiles.plan(width=width, height=height, tile_px=10_000, halo_px=0)
    return brightest(torch.from_numpy(picture), whole).numpy()


def _once(act: Callable[[], None], *, after: int) -> tuple[Callable[[Progress], None], list[Progress]]:
    """What acts when so many parts have come, and all that it was told."""
    seen, acted = list[Progress](), threading.Event()

    def told(now: Progress) -> None:
        seen.append(now)
        if now.done >= after and not acted.is_set():
            acted.set()
            act()

    return told, seen


def test_equals_the_untiled_picture(client: Client, notes: Notes) -> None:
    """Placed part by part, with progress by parts; the turn hears of each tile once, of all pixels and all seconds."""
    seen, turn = list[Progress](), Accounts()
    result = _run(client, PICTURE, on_progress=seen.append, turn=turn)
    assert np.array_equal(result.picture, _expected(PICTURE))
    assert result.tiles == 4
    assert [now.done for now in seen] == sorted({now.done for now in seen})
    assert (seen[-1].done, {now.total for now in seen}) == (notes.begun(), {notes.begun()})
    assert len(set(seen[-1].areas)) == notes.begun()
    assert len(turn.taken) == result.tiles
    assert sorted(turn.taken) == sorted(share for share, _ in turn.given)
    assert sum(turn.taken) == pytest.approx(1.0)
    assert sum(compute_s for _, compute_s in turn.given) == pytest.approx(result.compute_s)
    assert seen[-1].compute_s == pytest.approx(result.compute_s)


def test_parts_come_as_they_finish(client: Client, notes: Notes) -> None:
    """The first is there while the last has not been begun."""
    begun = list[int]()
    told, seen = _once(lambda: begun.append(notes.begun()), after=1)
    result = _run(client, told=Parameters(pause_s=0.1), on_progress=told)
    assert seen[0].done <= begun[0] <= 3
    assert len(seen) > PARTS / 2
    assert notes.begun() == PARTS
    assert result.compute_s == pytest.approx(PARTS * 0.1, rel=0.3)


def test_cancelling_stops_the_model(client: Client, notes: Notes, triton: Triton) -> None:
    """Within a part: what is left is not computed, and the instance is free for the next run."""
    stop = threading.Event()
    told, seen = _once(stop.set, after=2)
    with pytest.raises(InferenceCancelled):
        _run(client, told=Parameters(pause_s=0.2), on_progress=told, cancelled=stop.is_set)
    at = time.monotonic()
    assert _run(client, WHOLE).tiles == 1
    assert time.monotonic() - at < 1.0
    assert notes.begun() <= seen[-1].done + 3  # one under way, one that had not been told of, and the next run's
    assert '"model": "brightest_v1", "outcome": "cancelled"' in triton.log.read_text()
    begun = notes.begun()
    time.sleep(0.5)
    assert notes.begun() == begun


def test_the_deadline_stops_the_model(client: Client, notes: Notes) -> None:
    """In the middle of a tile, as anywhere."""
    with pytest.raises(InferenceTimeout):
        _run(client, told=Parameters(pause_s=0.2), timeout_s=1.0)
    _run(client, WHOLE)
    assert 3 <= notes.begun() <= 8


def test_what_has_come_is_not_computed_again(client: Client, notes: Notes) -> None:
    """A model that breaks in the middle of a tile is asked for the rest."""
    seen, turn = list[Progress](), Accounts()
    result = _run(client, told=Parameters(raises_once_at=5), on_progress=seen.append, turn=turn)
    assert np.array_equal(result.picture, _expected(ONE_TILE))
    assert notes.begun() == PARTS + 1
    assert (seen[-1].done, seen[-1].total) == (PARTS, PARTS)
    [(share, compute_s)] = turn.given
    assert share == 1.0
    assert compute_s == pytest.approx(result.compute_s)


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        (Parameters(raises_at=1), "ValueError: the lamp is out"),
        (Parameters(forgets=0), "ended without 1 of 1 parts"),
        (Parameters(repeats=0), "gave a part that was not asked for"),
        (Parameters(invents=0), "ValueError: Tile"),
    ],
)
def test_a_model_that_goes_on_breaking_is_given_up(client: Client, notes: Notes, told: Parameters, reason: str) -> None:
    """After some tries, with a sentence that says why; and the model lives on."""
    with pytest.raises(InferenceFailed, match=rf"The model brightest_v1 failed: .*{reason}") as failed:
        _run(client, told=told)
    assert failed.value.extra["status"] == "INTERNAL"
    assert np.array_equal(_run(client).picture, _expected(ONE_TILE))


def test_what_is_not_finite_is_not_tried_again(client: Client, notes: Notes) -> None:
    """The same part would be so each time."""
    with pytest.raises(InferenceFailed, match="numbers that are not finite") as failed:
        _run(client, told=Parameters(not_finite_at=2))
    assert failed.value.extra["status"] == "INVALID_ARGUMENT"
    assert notes.begun() == 3


def test_doubt_is_mended(client: Client) -> None:
    """Of the part that it came with, and round it."""
    result = _run(client, told=Parameters(doubts_at=6))
    doubt, doubtful = np.zeros((256, 256), np.uint8), tiles.plan(width=256, height=256, tile_px=64, halo_px=0)[6]
    tiles.area(doubt, doubtful, scale=1)[...] = 1
    expected = _expected(ONE_TILE)
    mending.mend(ONE_TILE, expected, doubt, scale=2)
    assert np.array_equal(result.picture, expected)
    assert not np.array_equal(result.picture, _expected(ONE_TILE))


def test_many_runs_at_once(client: Client) -> None:
    """None gets another's parts."""
    pictures = [np.ascontiguousarray(PICTURE[y : y + 130, y : y + 140]) for y in range(0, 150, 30)]
    with ThreadPoolExecutor(len(pictures)) as pool:
        results = list(pool.map(lambda picture: _run(client, picture).picture, pictures))
    assert all(np.array_equal(got, _expected(picture)) for got, picture in zip(results, pictures, strict=True))


def test_a_model_that_was_unloaded_is_loaded_again(client: Client, triton: Triton) -> None:
    """Also where the client thinks that it is there."""
    with grpc.InferenceServerClient(triton.url) as raw:
        raw.unload_model(MODEL.served)
        while raw.is_model_ready(MODEL.served):
            time.sleep(0.05)
    assert np.array_equal(_run(client).picture, _expected(ONE_TILE))


@pytest.mark.parametrize(
    "sides",
    [
        (0, 8, 0, 8, 0, 8, 0, 9),
        (0, 8, 0, 8, 1, 8, 0, 8),
        (4, 4, 0, 8, 0, 8, 0, 8),
        (-1, 8, 0, 8, -1, 8, 0, 8),
    ],
)
def test_model_refuses_bad_parts(client: Client, triton: Triton, sides: tuple[int, ...]) -> None:
    """A client that is not ours gets INVALID_ARGUMENT, and the model lives on."""
    _run(client, WHOLE)
    answers = list[Any]()
    with grpc.InferenceServerClient(triton.url) as raw:
        inputs = [grpc.InferInput("PICTURE", [8, 8, 3], "UINT8"), grpc.InferInput("PARTS", [1, 8], "INT32")]
        inputs[0].set_data_from_numpy(WHOLE)
        inputs[1].set_data_from_numpy(np.array([sides], np.int32))
        raw.start_stream(lambda result, error: answers.append(error))
        raw.async_stream_infer(MODEL.served, inputs)
        raw.stop_stream()
    assert re.match("INVALID_ARGUMENT: .*holds its parts", answers[0].message())
    assert _run(client, WHOLE).tiles == 1


@pytest.mark.slow
def test_survives_kill_9_of_triton(client: Client, notes: Notes, triton: Triton) -> None:
    """In the middle of a stream: no hole, no part counted twice, and only what was lost is computed again."""

    def die() -> None:
        triton.kill()
        triton.start()

    told, seen = _once(die, after=5)
    result = _run(client, told=Parameters(pause_s=0.1), on_progress=told)
    _was_whole(result, seen, notes)


@pytest.mark.slow
def test_survives_kill_9_of_the_model(client: Client, notes: Notes, triton: Triton) -> None:
    """As above; here Triton lives, until its guard sees to it."""

    def die() -> None:
        for pid in triton.models():
            os.kill(pid, signal.SIGKILL)

    told, seen = _once(die, after=5)
    with ThreadPoolExecutor(1) as supervisor:
        restarted = supervisor.submit(triton.restart_when_ended)
        result = _run(client, told=Parameters(pause_s=0.1), on_progress=told)
        restarted.result()
    _was_whole(result, seen, notes)


def _was_whole(result: Result, seen: list[Progress], notes: Notes) -> None:
    assert np.array_equal(result.picture, _expected(ONE_TILE))
    assert [now.done for now in seen] == sorted({now.done for now in seen})
    assert (seen[-1].done, seen[-1].total) == (PARTS, PARTS)
    assert result.compute_s == pytest.approx(PARTS * 0.1, rel=0.3)
    assert PARTS < notes.begun() <= PARTS + 5  # those on their way when it died, and two to warm up with
