"""Weak edges stay where they hang together with a strong one, whatever the strips that the picture is gone over in."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of
from numpy.typing import NDArray
from skimage import measure

from backend.core import arrays
from inference import hysteresis
from inference.hysteresis import STRONG, WEAK

Classes = NDArray[np.uint8]
shapes = st.tuples(st.integers(1, 24), st.integers(1, 24))
classes_of = shapes.flatmap(
    lambda shape: arrays_of.arrays(np.uint8, shape, elements=st.sampled_from([0, 0, WEAK, WEAK, STRONG]))
)
strips = st.integers(1, 600)


def drawn(classes: Classes, *, white: bool = True, strip_px: int = 1 << 20) -> Classes:
    result = np.repeat(classes[:, :, None], 3, axis=2)
    hysteresis.draw(result, white=white, strip_px=strip_px)
    assert (result == result[:, :, :1]).all()
    return result[:, :, 0]


def by_labels(classes: Classes) -> Classes:
    """The whole picture at once, by a library."""
    labels = measure.label(classes != 0, connectivity=2)
    kept = np.unique(labels[classes == STRONG])
    return np.where((classes != 0) & np.isin(labels, kept), STRONG, 0).astype(np.uint8)


def spiral(side: int) -> tuple[Classes, tuple[int, int]]:
    """One line from a corner inwards, a pixel wide, and where it ends: it crosses every strip many times."""
    field, row, column = np.zeros((side, side), np.uint8), 0, 0
    for turn, length in enumerate([side - 1, *np.repeat(np.arange(side - 1, 0, -2), 2)]):
        down, right = ((0, 1), (1, 0), (0, -1), (-1, 0))[turn % 4]
        for _ in range(length):
            field[row, column] = WEAK
            row, column = row + down, column + right
    return field, (row, column)


@settings(deadline=None, max_examples=300)
@given(classes=classes_of, strip_px=strips)
def test_it_is_what_labels_say(classes: Classes, strip_px: int) -> None:
    assert np.array_equal(drawn(classes, strip_px=strip_px), by_labels(classes))


@settings(deadline=None)
@given(classes=classes_of, strip_px=strips)
def test_black_lines_are_the_white_ones_turned(classes: Classes, strip_px: int) -> None:
    assert np.array_equal(drawn(classes, white=False, strip_px=strip_px), 255 - drawn(classes, strip_px=strip_px))


@settings(deadline=None)
@given(classes=classes_of, strip_px=strips, seed=st.integers(0, 2**32 - 1))
def test_more_that_is_strong_keeps_more(classes: Classes, strip_px: int, seed: int) -> None:
    """And nothing that was kept goes."""
    promoted = np.random.default_rng(seed).random(classes.shape) < 0.2
    more = np.where((classes == WEAK) & promoted, np.uint8(STRONG), classes)
    assert (drawn(more, strip_px=strip_px) >= drawn(classes, strip_px=strip_px)).all()


@settings(deadline=None)
@given(classes=classes_of, strip_px=strips)
def test_what_is_drawn_stays(classes: Classes, strip_px: int) -> None:
    """A second time changes nothing; nor does turning the picture upside down."""
    once = drawn(classes, strip_px=strip_px)
    assert np.array_equal(drawn(once, strip_px=strip_px), once)
    assert np.array_equal(drawn(classes[::-1], strip_px=strip_px), once[::-1])


@pytest.mark.parametrize("strip_px", [1, 101, 700, 1 << 20])
def test_one_strong_pixel_lights_a_spiral(strip_px: int) -> None:
    """The innermost, and it is kept from end to end; without that nothing is."""
    line, innermost = spiral(101)
    assert not drawn(line, strip_px=strip_px).any()
    line[innermost] = STRONG
    assert measure.label(line != 0, connectivity=2).max() == 1
    assert np.array_equal(drawn(line, strip_px=strip_px) != 0, line != 0)


def test_corners_join_but_borders_do_not() -> None:
    """Pixels touch at corners; a row's end and the next one's begin do not."""
    diagonal = np.diag(np.full(9, WEAK, np.uint8))
    diagonal[0, 0] = STRONG
    assert np.array_equal(drawn(diagonal, strip_px=9) != 0, diagonal != 0)
    apart = np.zeros((2, 9), np.uint8)
    apart[0, 8], apart[1, 0] = STRONG, WEAK
    assert drawn(apart).sum() == STRONG


def test_a_large_picture_in_its_scratch_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is let go of between the strips is in the file."""
    monkeypatch.setattr(arrays, "IN_MEMORY_BYTES", 1000)
    classes = np.random.default_rng(5).choice(np.array([0, WEAK, STRONG], np.uint8), (300, 200), p=[0.65, 0.34, 0.01])
    result = arrays.empty((300, 200, 3))
    assert isinstance(result, np.memmap)
    result[...] = classes[:, :, None]
    hysteresis.draw(result, white=True, strip_px=2_000)
    assert np.array_equal(result[:, :, 1], by_labels(classes))


def test_memory_does_not_grow_with_the_picture() -> None:
    """Five times as high a picture of noise, which is all runs and seams, takes hardly more beside itself."""

    def most_bytes(height: int) -> int:
        noise = np.random.default_rng(6).choice(np.array([0, WEAK], np.uint8), (height, 1000))
        result = np.repeat(noise[:, :, None], 3, axis=2)
        tracemalloc.start()
        hysteresis.draw(result, white=True, strip_px=100_000)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    assert most_bytes(2_500) < 1.5 * most_bytes(500)
