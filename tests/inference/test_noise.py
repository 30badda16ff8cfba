"""How strong the noise of a photograph is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference import noise
from inference.tiles import Picture
from tests.bench import inference_quality as quality


def noisy(picture: Picture, sigma: float) -> Picture:
    grain = np.random.default_rng(1).normal(0, sigma, picture.shape)
    return np.clip(picture + grain, 0, 255).round().astype(np.uint8)


@pytest.mark.parametrize("name", ["astronaut", "chelsea", "coffee", "china", "flower"])
@pytest.mark.parametrize("sigma", [10, 25, 50])
def test_it_is_found_on_photographs(name: str, sigma: float) -> None:
    """Within a quarter, though photographs have texture, and black and white cut the noise off."""
    assert noise.estimate_sigma(noisy(quality.photograph(name), sigma)) == pytest.approx(sigma, rel=0.25)


def test_a_clean_picture_has_next_to_none() -> None:
    gradient = np.broadcast_to(np.linspace(20, 200, 256).astype(np.uint8)[None, :, None], (256, 256, 3))
    assert noise.estimate_sigma(np.ascontiguousarray(gradient)) < 2


@given(st.integers(1, 70), st.integers(1, 70), st.sampled_from([0, 127, 255]))
def test_any_picture_has_an_answer(width: int, height: int, grey: int) -> None:
    """One of a single pixel, one all black: always what the network was trained for."""
    found = noise.estimate_sigma(np.full((height, width, 3), grey, np.uint8))
    assert found == noise.MIN_SIGMA
