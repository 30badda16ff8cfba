"""The one door to Triton, on a real tritonserver: answers, refusals, crashes and cancellation."""

import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
import pytest
import torch
import tritonclient.grpc as grpc  # type: ignore[import-untyped]  # the package ships no types
from tritonclient.utils import InferenceServerException  # type: ignore[import-untyped]  # ships no types

from backend.core import arrays, trace
from inference import client as door
from inference.client import Client
from inference.contracts import CannyParameters, DenoiseParameters, EnhanceParameters
from inference.errors import (
    InferenceCancelled,
    InferenceTimeout,
    InvalidPicture,
    PictureTooLarge,
    TritonUnavailable,
    UnknownTask,
)
from inference.gate import InOrder
from inference.models import FFDNET, SPAN_X2
from inference.networks import weights
from inference.networks.ffdnet import Ffdnet
from inference.networks.span import Span
from inference.runs import Progress, Result
from inference.tiles import Picture
from tests.bench import inference_quality as quality
from tests.inference.tritonserver import Triton, await_ready

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture(scope="module")
def span(session_client: Client, tmp_path_factory: pytest.TempPathFactory) -> Span:
    """The network in this process, in the numbers that this machine's Triton counts in."""
    dtype = _enhance(session_client, np.zeros((8, 8, 3), np.uint8)).dtype
    return quality.network(tmp_path_factory.mktemp("weights"), getattr(torch, dtype))


@pytest.fixture(scope="module")
def photograph() -> Picture:
    """600 x 400: six tiles."""
    return quality.photograph("coffee")


def _enhance(client: Client, picture: Picture, **but: Any) -> Result:
    usual: dict[str, Any] = {"on_progress": lambda now: None, "cancelled": lambda: False, "timeout_s": 60.0}
    return client.run("enhance", picture, EnhanceParameters(), **{**usual, **but})


def _after(calls: int) -> Callable[[], bool]:
    """False for so many calls, then True."""
    left = iter([False] * calls)
    return lambda: next(left, True)


def test_equals_the_untiled_network(client: Client, span: Span, photograph: Picture) -> None:
    """What comes through Triton by tiles is what the network gives in one piece, but for the last bit of rounding."""
    seen: list[tuple[int, int]] = []
    result = _enhance(client, photograph, on_progress=lambda now: seen.append((now.done, now.total)))
    whole = quality.enhanced(span, photograph)
    assert np.abs(result.picture.astype(int) - whole).max() <= 2
    assert seen[-1] == (result.tiles, result.tiles) == (6, 6)
    assert seen == sorted(set(seen))


def test_a_large_picture_comes_out_as_a_small_one(
    client: Client, photograph: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where its result is put together in a scratch file."""
    small = _enhance(client, photograph)
    monkeypatch.setattr(arrays, "IN_MEMORY_BYTES", 1000)
    large = _enhance(client, photograph)
    assert isinstance(large.picture, np.memmap)
    assert np.array_equal(large.picture, small.picture)


def test_what_the_task_says_reaches_the_network(client: Client, photograph: Picture, tmp_path: Path) -> None:
    """Denoise by tiles is what its network gives for the whole, told the same strength."""
    picture = np.ascontiguousarray(photograph[:301, :303])
    result = client.run(
        "denoise",
        picture,
        DenoiseParameters(strength=40),
        on_progress=lambda now: None,
        cancelled=lambda: False,
        timeout_s=60.0,
    )
    weights_of = weights.prepare(FFDNET, tmp_path).path
    network = Ffdnet.load(weights_of, device=torch.device("cpu"), dtype=getattr(torch, result.dtype))
    whole, _doubt = network.run(torch.from_numpy(picture), sigma=40.0)
    assert result.tiles == 4
    assert np.abs(result.picture.astype(int) - whole.numpy()).max() <= 1


def test_edges_go_on_from_tile_to_tile(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the task does at the end sees the whole picture, also in a scratch file: OpenCV's edges to the bit."""
    picture = np.tile(quality.photograph("china"), (3, 2, 1))
    asked = CannyParameters(low_threshold=20, high_threshold=250, smoothing=0, lines="black")
    monkeypatch.setattr(arrays, "IN_MEMORY_BYTES", 1000)
    usual: dict[str, Any] = {"on_progress": lambda now: None, "cancelled": lambda: False, "timeout_s": 60.0}
    result = client.run("canny", picture, asked, **usual)
    assert result.tiles > 4
    assert isinstance(result.picture, np.memmap)
    assert np.array_equal(result.picture, np.repeat(255 - cv2.Canny(picture, 20, 250)[:, :, None], 3, axis=2))


def test_a_model_is_loaded_when_it_is_needed(client: Client, triton: Triton) -> None:
    """And only then: at rest it takes no memory."""
    with grpc.InferenceServerClient(triton.url) as raw:
        raw.load_model(SPAN_X2.served)
        raw.unload_model(SPAN_X2.served)
        deadline = time.monotonic() + 20
        while raw.is_model_ready(SPAN_X2.served):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert client.ready(2.0)
        with ThreadPoolExecutor(4) as pool:
            results = list(pool.map(lambda _: _enhance(client, np.zeros((8, 8, 3), np.uint8)), range(4)))
        assert [result.tiles for result in results] == [1] * 4
        assert raw.is_model_ready(SPAN_X2.served)


def test_result_knows_where_it_came_from(client: Client, triton: Triton) -> None:
    """Model, version, digest, dtype and the seconds of compute are what Triton says."""
    result = _enhance(client, np.zeros((40, 30, 3), np.uint8))
    made = weights.prepare(SPAN_X2, triton.var / "triton" / "models" / SPAN_X2.served / "1")
    assert (result.model, result.model_version, result.model_digest) == (SPAN_X2.name, "1", made.sha256)
    assert result.dtype in ("float32", "bfloat16", "float16")
    assert 0 < result.compute_s < 5


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 700), (3, 257)])
def test_odd_shapes(client: Client, span: Span, height: int, width: int) -> None:
    """The smallest and the thinnest pictures come out twice as large too."""
    picture = np.random.default_rng(7).integers(0, 256, (height, width, 3), dtype=np.uint8)
    result = _enhance(client, picture).picture
    assert result.shape == (2 * height, 2 * width, 3)
    assert np.abs(result.astype(int) - quality.enhanced(span, picture)).max() <= 2


def test_many_runs_at_once(client: Client, photograph: Picture) -> None:
    """Runs take turns tile by tile, and none gets another's tiles."""
    parts = [np.ascontiguousarray(photograph[y : y + 90, y : y + 280]) for y in range(0, 240, 40)]
    alone = [_enhance(client, part).picture for part in parts]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(lambda part: _enhance(client, part).picture, parts))
    assert all(np.abs(a.astype(int) - b).max() <= 1 for a, b in zip(alone, together, strict=True))


def test_traceparent_reaches_the_model(client: Client, triton: Triton) -> None:
    """The model's log line carries the trace that the caller is in."""
    with trace.continued(TRACEPARENT):
        _enhance(client, np.zeros((8, 8, 3), np.uint8))
    assert TRACEPARENT.split("-")[1] in triton.log.read_text()


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((8, 8), np.uint8),
        np.zeros((8, 8, 4), np.uint8),
        np.zeros((8, 0, 3), np.uint8),
        np.zeros((8, 8, 3), np.float32),
    ],
)
def test_what_is_no_picture_is_refused(client: Client, picture: Any) -> None:
    """Only (height, width, 3) uint8 is sent."""
    with pytest.raises(InvalidPicture):
        _enhance(client, picture)


def test_limits_hold_at_the_door(client: Client) -> None:
    """Too large a picture and an unknown task are refused before anything is sent."""
    with pytest.raises(PictureTooLarge):
        _enhance(client, np.zeros((10_001, 10_000, 3), np.uint8))
    with pytest.raises(UnknownTask):
        client.run(
            "paint",
            np.zeros((8, 8, 3), np.uint8),
            EnhanceParameters(),
            on_progress=lambda now: None,
            cancelled=lambda: False,
            timeout_s=1.0,
        )


@pytest.mark.parametrize(
    ("shape", "halo"),
    [((8, 8, 4), (0, 0, 0, 0)), ((8, 8, 3), (4, 4, 0, 0)), ((8, 8, 3), (-1, 0, 0, 0)), ((0, 8, 3), (0, 0, 0, 0))],
)
def test_model_refuses_bad_tiles(client: Client, triton: Triton, shape: tuple[int, ...], halo: tuple[int, ...]) -> None:
    """A client that is not ours gets INVALID_ARGUMENT, and the model lives on."""
    with grpc.InferenceServerClient(triton.url) as raw:
        inputs = [grpc.InferInput("PICTURE", list(shape), "UINT8"), grpc.InferInput("HALO", [4], "INT32")]
        inputs[0].set_data_from_numpy(np.zeros(shape, np.uint8))
        inputs[1].set_data_from_numpy(np.array(halo, np.int32))
        with pytest.raises(InferenceServerException) as refused:
            raw.infer(SPAN_X2.served, inputs)
    assert str(refused.value.status()) == "StatusCode.INVALID_ARGUMENT"
    assert _enhance(client, np.zeros((8, 8, 3), np.uint8)).tiles == 1


def test_cancel_frees_the_model(client: Client, photograph: Picture, triton: Triton) -> None:
    """The caller is free at once, the model within a block of the network: the next run waits for less than a tile."""
    usual = _enhance(client, photograph)
    tile_s = usual.compute_s / usual.tiles
    called: list[float] = []
    asked = _after(8)

    def cancelled() -> bool:
        called.append(time.monotonic())
        return asked()

    with pytest.raises(InferenceCancelled):
        _enhance(client, photograph, cancelled=cancelled)
    assert time.monotonic() - called[-1] < 0.2
    _enhance(client, np.zeros((8, 8, 3), np.uint8))
    assert time.monotonic() - called[-1] < 0.4 + tile_s  # two tiles were in flight
    assert '"outcome": "cancelled"' in triton.log.read_text()


def test_cancel_touches_no_other_run(client: Client, photograph: Picture) -> None:
    """Two runs at once: the one goes, the other's picture is whole."""
    part = np.ascontiguousarray(photograph[:200, :300])
    with ThreadPoolExecutor(2) as pool:
        kept = pool.submit(_enhance, client, part)
        gone = pool.submit(_enhance, client, photograph, cancelled=_after(4))
        assert isinstance(gone.exception(), InferenceCancelled)
    assert np.abs(kept.result().picture.astype(int) - _enhance(client, part).picture).max() <= 1


def test_wild_spots_are_mended(client: Client, span: Span) -> None:
    """Where the network diverges the caller gets the interpolated picture, whatever the tiles."""
    stripes = np.zeros((300, 300, 3), np.uint8)
    stripes[100:200:2] = 255
    result = _enhance(client, stripes).picture
    assert np.abs(result.astype(int) - quality.enhanced(span, stripes)).max() <= 2
    assert np.abs(result.astype(int) - quality.bicubic(stripes))[220:380].max() <= 1


@pytest.mark.slow
def test_survives_kill_9_of_triton(client: Client, photograph: Picture, triton: Triton) -> None:
    """Triton dies in the middle of a run and is started again: the run ends well, some seconds later."""
    expected = _enhance(client, photograph).picture
    died, orphans = threading.Event(), triton.models()

    def die_once(_now: Progress) -> None:
        if not died.is_set():
            died.set()
            triton.kill()
            triton.start()

    result = _enhance(client, photograph, on_progress=die_once)
    assert died.is_set()
    assert not [pid for pid in orphans if psutil.pid_exists(pid)]
    assert np.abs(result.picture.astype(int) - expected).max() <= 1


@pytest.mark.slow
def test_survives_kill_9_of_the_model(client: Client, photograph: Picture, triton: Triton) -> None:
    """The model's own process dies in the middle of a run: Triton ends too, is started again, and the run ends well."""
    expected = _enhance(client, photograph).picture
    victims = iter(triton.models())

    def kill_once(_now: Progress) -> None:
        for pid in victims:
            os.kill(pid, signal.SIGKILL)

    with ThreadPoolExecutor(1) as supervisor:
        restarted = supervisor.submit(triton.restart_when_ended)
        result = _enhance(client, photograph, on_progress=kill_once)
        restarted.result()
    assert np.abs(result.picture.astype(int) - expected).max() <= 1


@pytest.mark.slow
def test_triton_away(client: Client, triton: Triton) -> None:
    """Without Triton the run waits its time and says so; readiness is false; both recover."""
    triton.kill()
    began = time.monotonic()
    with pytest.raises(TritonUnavailable) as away:
        _enhance(client, np.zeros((8, 8, 3), np.uint8), timeout_s=1.5)
    assert 1.0 < time.monotonic() - began < 3.0
    assert away.value.extra["part"] == "triton"
    assert not client.ready(0.5)
    triton.start()
    await_ready(client)
    assert _enhance(client, np.zeros((8, 8, 3), np.uint8)).tiles == 1


@pytest.mark.slow
def test_triton_frozen(client: Client, triton: Triton) -> None:
    """A Triton that answers nothing is given up at the deadline, and a waiting run can still be cancelled."""
    triton.signal(signal.SIGSTOP)
    try:
        with pytest.raises(InferenceTimeout):
            _enhance(client, np.zeros((8, 8, 3), np.uint8), timeout_s=1.0)
        began = time.monotonic()
        with pytest.raises(InferenceCancelled):
            _enhance(client, np.zeros((8, 8, 3), np.uint8), cancelled=_after(3))
        assert time.monotonic() - began < 1.0
    finally:
        triton.signal(signal.SIGCONT)


def test_module_functions_use_the_settings(triton: Triton, client: Client, settings: Any) -> None:
    """The process's own client goes where TRITON_URL says; threads that ask for it at once get the same one."""
    settings.TRITON_URL = triton.url
    door._client_of.cache_clear()
    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(door._process_client, [os.getpid()] * 8))) == 1
    result = door.run(
        "enhance",
        np.zeros((8, 8, 3), np.uint8),
        EnhanceParameters(),
        on_progress=lambda now: None,
        cancelled=lambda: False,
        timeout_s=30.0,
        turn=InOrder(),
    )
    assert door.ready()
    assert result.picture.shape == (16, 16, 3)
    door._process_client(os.getpid()).close()
    door._client_of.cache_clear()
