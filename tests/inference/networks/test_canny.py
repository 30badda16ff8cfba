"""Canny's edges: what OpenCV gives, and by tiles the same to the bit."""

from typing import Any
from unittest.mock import Mock

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from skimage import filters

from inference import hysteresis, tiles
from inference.contracts import CANNY as TASK
from inference.contracts import MAX_SMOOTHING_PX
from inference.models import CANNY
from inference.networks.canny import RADIUS, Canny
from inference.tiles import Picture
from tests.bench import inference_quality as quality

NETWORK = Canny.load(device=torch.device("cpu"), dtype=torch.float32)
PHOTOGRAPHS = dict(quality.photographs())
thresholds = st.tuples(st.integers(0, 255), st.integers(0, 255)).map(sorted)


def traced(picture: Picture, *, low: float = 100, high: float = 200, sigma: float = 0.0) -> NDArray[np.uint8]:
    """In one piece, white on black: (H, W)."""
    classes = np.asarray(NETWORK.run(torch.from_numpy(picture.copy()), low=low, high=high, sigma=sigma)[0])
    hysteresis.draw(classes, white=True)
    return classes[:, :, 0]


def tiled(picture: Picture, tile_px: int, **arguments: Any) -> NDArray[np.uint8]:
    height, width = picture.shape[:2]
    canvas = np.zeros_like(picture)
    for tile in tiles.plan(width=width, height=height, tile_px=tile_px, halo_px=CANNY.halo_px):
        classes, _doubt = NETWORK.run(torch.from_numpy(tiles.cut(picture, tile).copy()), tile.halo, **arguments)
        tiles.place(canvas, tile, classes.numpy(), scale=1)
    hysteresis.draw(canvas, white=True)
    return canvas[:, :, 0]


@pytest.mark.parametrize("name", PHOTOGRAPHS)
@pytest.mark.parametrize(("low", "high"), [(100, 200), (0, 0), (30, 90), (255, 255)])
def test_without_smoothing_it_is_opencv_s(name: str, low: int, high: int) -> None:
    """To the bit: what ControlNets were trained with."""
    picture = PHOTOGRAPHS[name]
    assert np.array_equal(traced(picture, low=low, high=high), cv2.Canny(picture, low, high))


@settings(deadline=None, max_examples=200)
@given(
    height=st.integers(1, 20), width=st.integers(1, 20), between=thresholds, seed=st.integers(0, 2**32 - 1),
    levels=st.integers(2, 256),
)  # fmt: skip
def test_small_pictures_are_opencv_s_too(height: int, width: int, between: list[int], seed: int, levels: int) -> None:
    """Of few grey levels there are many equal slopes side by side."""
    noise = np.random.default_rng(seed).integers(0, levels, (height, width, 3))
    picture = (noise * (255 // (levels - 1))).astype(np.uint8)
    low, high = between
    assert np.array_equal(traced(picture, low=low, high=high), cv2.Canny(picture, low, high))


@pytest.mark.parametrize("name", PHOTOGRAPHS)
@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.0, MAX_SMOOTHING_PX])
def test_smoothing_is_gauss_s_but_for_rounding(name: str, sigma: float) -> None:
    """Beside the Gaussian in 64-bit floats fewer than 3 pixels in 1,000 come out otherwise (measured: up to 2.5)."""
    picture = PHOTOGRAPHS[name]
    far = np.ceil(3 * sigma) / sigma
    exact = filters.gaussian(
        picture.astype(np.float64), sigma, mode="nearest", truncate=far, channel_axis=2, preserve_range=True
    )
    smooth = exact.round().astype(np.uint8)
    assert np.mean(traced(picture, low=30, high=90, sigma=sigma) != cv2.Canny(smooth, 30, 90)) < 0.003


def test_noise_is_smoothed_away() -> None:
    """The rim of a disc is a closed line, and the grain beside it none."""
    rows, columns = np.mgrid[0:128, 0:128]
    disc = np.where((rows - 64) ** 2 + (columns - 64) ** 2 < 40**2, 180.0, 60.0)
    noisy = disc[:, :, None] + np.random.default_rng(3).normal(0, 15, (128, 128, 3))
    picture = noisy.clip(0, 255).astype(np.uint8)
    away = np.abs(np.hypot(rows - 64, columns - 64) - 40)
    rough, smooth = traced(picture), traced(picture, sigma=2.0)
    assert np.count_nonzero(rough[away > 3]) > 100
    assert not smooth[away > 3].any()
    around = np.arctan2(rows - 64, columns - 64)[smooth != 0]
    assert np.diff(np.sort(around)).max() < 0.1


def test_lines_are_thin() -> None:
    """A hard step, wherever it runs, is a line of one pixel."""
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[20:44, 20:44] = 255
    lines = traced(picture) != 0
    assert (lines[32].sum(), lines[:, 32].sum()) == (2, 2)


def test_of_colours_the_steepest_counts() -> None:
    """Where red ends and an equally bright green begins a grey picture would have no edge."""
    picture = np.zeros((32, 32, 3), np.uint8)
    picture[:, :16, 0], picture[:, 16:, 1] = 150, 150
    assert traced(picture)[:, 15:17].any(axis=1).all()


def test_registry_knows_the_reach() -> None:
    assert CANNY.halo_px >= RADIUS


@settings(max_examples=60, deadline=None)
@given(
    width=st.integers(1, 300), height=st.integers(1, 200), tile_px=st.integers(20, 200), between=thresholds,
    sigma=st.sampled_from([0.0, 0.3, 1.0, 2.7, MAX_SMOOTHING_PX]), name=st.sampled_from([*PHOTOGRAPHS, "noise"]),
)  # fmt: skip
def test_tiled_equals_untiled(
    width: int, height: int, tile_px: int, between: list[int], sigma: float, name: str
) -> None:
    """No seam, to the bit, also of edges that run through many tiles."""
    noise = np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    picture = np.ascontiguousarray(PHOTOGRAPHS.get(name, noise)[:height, :width])
    arguments: dict[str, Any] = {"low": between[0], "high": between[1], "sigma": sigma}
    assert np.array_equal(tiled(picture, tile_px, **arguments), traced(picture, **arguments))


@pytest.mark.parametrize("shape", [(1, 1), (1, 30_000), (30_000, 1)])
@pytest.mark.parametrize("sigma", [0.0, 1.0, MAX_SMOOTHING_PX])
def test_thin_pictures(shape: tuple[int, int], sigma: float) -> None:
    picture = np.random.default_rng(7).integers(0, 256, (*shape, 3), dtype=np.uint8)
    assert np.array_equal(
        tiled(picture, CANNY.tile_px, low=50, high=60, sigma=sigma), traced(picture, low=50, high=60, sigma=sigma)
    )


def test_what_the_task_says_is_what_the_network_takes() -> None:
    """The names and the defaults are the same."""
    picture = np.zeros((1, 1, 3), np.uint8)
    assert TASK.arguments(TASK.parameters(), picture) == Canny.EXAMPLE


def test_a_run_can_be_stopped_between_steps() -> None:
    check = Mock(side_effect=[None, KeyboardInterrupt])
    with pytest.raises(KeyboardInterrupt):
        NETWORK.run(torch.zeros(16, 16, 3, dtype=torch.uint8), check=check, low=1, high=2, sigma=1.0)
