"""Where a network ran wild the interpolated picture takes over, and nowhere else."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from inference import mending
from inference.tiles import Picture

sides = st.integers(1, 80)


def _bicubic(picture: Picture) -> Picture:
    height, width = picture.shape[:2]
    return np.asarray(Image.fromarray(picture).resize((2 * width, 2 * height), Image.Resampling.BICUBIC))


def test_without_doubt_nothing_changes() -> None:
    """The usual case costs one look at the mask."""
    result = np.full((20, 20, 3), 7, np.uint8)
    mending.mend(np.zeros((10, 10, 3), np.uint8), result, np.zeros((10, 10), np.uint8), scale=2)
    assert (result == 7).all()


@settings(deadline=None, max_examples=40)
@given(height=sides, width=sides, seed=st.integers(0, 2**32 - 1))
def test_doubtful_everywhere_is_bicubic(height: int, width: int, seed: int) -> None:
    """A picture of noise comes out interpolated, borders included."""
    picture = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    result = np.zeros((2 * height, 2 * width, 3), np.uint8)
    mending.mend(picture, result, np.ones((height, width), np.uint8), scale=2)
    assert np.abs(result.astype(int) - _bicubic(picture)).max() <= 1


@settings(deadline=None, max_examples=40)
@given(y=st.integers(0, 59), x=st.integers(0, 89))
def test_a_spot_is_mended_softly(y: int, x: int) -> None:
    """Wholly within four pixels, not at all beyond twelve, and falling between."""
    picture, result = np.full((60, 90, 3), 200, np.uint8), np.zeros((120, 180, 3), np.uint8)
    doubt = np.zeros((60, 90), np.uint8)
    doubt[y, x] = 1
    mending.mend(picture, result, doubt, scale=2)
    rows, columns = np.mgrid[0:120, 0:180]
    away = np.maximum(np.abs(rows / 2 - y - 0.25), np.abs(columns / 2 - x - 0.25))
    assert (result[away < 4] == 200).all()
    assert (result[away > 13] == 0).all()


@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 2**32 - 1))
def test_large_pictures_are_mended_by_blocks_without_a_seam(seed: int) -> None:
    """More than one block gives what one piece would."""
    picture = np.random.default_rng(seed).integers(0, 256, (300, 520, 3), dtype=np.uint8)
    result = np.zeros((600, 1040, 3), np.uint8)
    mending.mend(picture, result, np.ones((300, 520), np.uint8), scale=2)
    assert np.abs(result.astype(int) - _bicubic(picture)).max() <= 1
