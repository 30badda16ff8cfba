"""The network that takes out noise: as good as it is to be, and the same by tiles as in one piece."""

from pathlib import Path
from unittest.mock import Mock

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from inference import tiles
from inference.models import FFDNET
from inference.networks import NotFinite, weights
from inference.networks.ffdnet import RADIUS, Ffdnet
from inference.tiles import Picture
from tests.bench import inference_quality as quality
from tests.inference.test_noise import noisy


def load(folder: Path, dtype: torch.dtype = torch.float32) -> Ffdnet:
    return Ffdnet.load(weights.prepare(FFDNET, folder).path, device=torch.device("cpu"), dtype=dtype)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Ffdnet:
    return load(tmp_path_factory.mktemp("weights"))


def psnr_db(one: Picture, other: Picture) -> float:
    return float(10 * np.log10(255.0**2 / np.mean((one.astype(float) - other) ** 2)))


def denoised(network: Ffdnet, picture: Picture, sigma: float) -> Picture:
    return np.asarray(network.run(torch.from_numpy(picture), sigma=sigma)[0])


def test_quality(network: Ffdnet) -> None:
    """2 dB above the noisy picture at sigma 25, and above OpenCV's non-local means at its best strength."""
    clean = quality.photograph("chelsea")[50:250, 100:350]
    grainy = noisy(clean, 25)
    ours = psnr_db(clean, denoised(network, grainy, 25))
    means = max(
        psnr_db(clean, np.asarray(cv2.fastNlMeansDenoisingColored(grainy, None, h, h, 7, 21), np.uint8))
        for h in (10, 15, 20, 25, 30)
    )
    assert ours > psnr_db(clean, grainy) + 2
    assert ours > means


def test_a_clean_picture_stays_as_it_is(network: Ffdnet) -> None:
    picture = quality.photograph("chelsea")[50:250, 100:350]
    assert psnr_db(picture, denoised(network, picture, 1)) > 40


def test_bfloat16_is_as_good(tmp_path: Path, network: Ffdnet) -> None:
    """The short dtype costs less than a tenth of a decibel."""
    clean = quality.photograph("chelsea")[50:178, 100:228]
    grainy = noisy(clean, 25)
    short = load(tmp_path, torch.bfloat16)
    assert psnr_db(clean, denoised(short, grainy, 25)) > psnr_db(clean, denoised(network, grainy, 25)) - 0.1


def test_registry_knows_the_reach() -> None:
    """A tile may begin with the second half of what its outermost pixel sees."""
    assert FFDNET.halo_px >= RADIUS + FFDNET.align_px


@settings(max_examples=12, deadline=None)
@given(width=st.integers(1, 130), height=st.integers(1, 130), tile_px=st.sampled_from([24, 48]), at=st.integers(0, 150))
def test_tiled_equals_untiled(network: Ffdnet, width: int, height: int, tile_px: int, at: int) -> None:
    """No seam: at most the last bit of rounding differs."""
    picture = noisy(np.ascontiguousarray(quality.photograph("astronaut")[at : at + height, at : at + width]), 30)
    canvas = np.zeros_like(picture)
    plan = tiles.plan(width=width, height=height, tile_px=tile_px, halo_px=FFDNET.halo_px, align_px=FFDNET.align_px)
    for tile in plan:
        answer, _doubt = network.run(torch.from_numpy(tiles.cut(picture, tile)), tile.halo, sigma=30.0)
        tiles.place(canvas, tile, answer.numpy(), scale=1)
    assert np.abs(canvas.astype(int) - denoised(network, picture, 30.0)).max() <= 1


def test_numbers_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    broken = load(tmp_path)
    torch.nn.init.constant_(broken.convolutions[3].weight, float("nan"))
    with pytest.raises(NotFinite):
        broken.run(torch.zeros(8, 8, 3, dtype=torch.uint8), sigma=10.0)


def test_a_run_can_be_stopped_between_layers(network: Ffdnet) -> None:
    check = Mock(side_effect=[None, None, KeyboardInterrupt])
    with pytest.raises(KeyboardInterrupt):
        network.run(torch.zeros(8, 8, 3, dtype=torch.uint8), check=check, sigma=10.0)
