"""The laws of cutting and stitching, on a toy operator that sees as far as a halo allows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference import tiles

sides = st.integers(1, 90)
longest = st.integers(8, 40)
radii = st.integers(0, 7)


def _blurred(picture: tiles.Picture, radius: int) -> tiles.Picture:
    """Each pixel becomes the sum of its neighbourhood, modulo 256; beyond the border lies zero, as for a network."""
    padded = np.pad(picture, ((radius, radius), (radius, radius), (0, 0)))
    height, width = picture.shape[:2]
    reach = range(2 * radius + 1)
    total = sum(padded[y : y + height, x : x + width].astype(np.int64) * (1 + y + 3 * x) for y in reach for x in reach)
    return np.asarray(total % 256, np.uint8)


def _doubled(picture: tiles.Picture) -> tiles.Picture:
    return picture.repeat(2, axis=0).repeat(2, axis=1)


@settings(deadline=None)
@given(width=sides, height=sides, tile_px=longest, halo_px=radii, align_px=st.sampled_from([1, 2, 4]))
def test_each_pixel_belongs_to_one_tile(width: int, height: int, tile_px: int, halo_px: int, align_px: int) -> None:
    """The tiles' own parts cover the picture once, none is larger than asked, and each begins where it may."""
    count = np.zeros((height, width), int)
    tile_px, halo_px = tile_px // align_px * align_px, halo_px * align_px
    plan = tiles.plan(width=width, height=height, tile_px=tile_px, halo_px=halo_px, align_px=align_px)
    assert {at % align_px for tile in plan for at in (tile.outer_rows.start, tile.outer_columns.start)} == {0}
    for tile in plan:
        count[tile.rows.start : tile.rows.stop, tile.columns.start : tile.columns.stop] += 1
    assert (count == 1).all()
    assert max(max(len(tile.rows), len(tile.columns)) for tile in plan) <= tile_px


@settings(deadline=None, max_examples=40)  # the machine may be busy
@given(width=sides, height=sides, tile_px=longest, radius=radii, seed=st.integers(0, 2**32 - 1))
def test_stitched_equals_untiled(width: int, height: int, tile_px: int, radius: int, seed: int) -> None:
    """An operator that sees no further than the halo gives the same picture by tiles as in one piece."""
    picture = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    canvas = np.zeros((2 * height, 2 * width, 3), np.uint8)
    for tile in tiles.plan(width=width, height=height, tile_px=tile_px, halo_px=radius):
        top, bottom, left, right = tile.halo
        answer = _blurred(tiles.cut(picture, tile), radius)
        inner = answer[top : answer.shape[0] - bottom, left : answer.shape[1] - right]
        tiles.place(canvas, tile, _doubled(inner), scale=2)
    assert np.array_equal(canvas, _doubled(_blurred(picture, radius)))


@settings(deadline=None, max_examples=40)  # the machine may be busy
@given(width=sides, height=sides, tile_px=longest, part_px=st.integers(4, 20), radius=radii)
def test_parts_make_up_the_tile(width: int, height: int, tile_px: int, part_px: int, radius: int) -> None:
    """Each pixel belongs to one part, which sees no more than its tile, and yet enough for the untiled result."""
    picture = np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    canvas, count = np.zeros_like(picture), np.zeros((height, width), int)
    for tile in tiles.plan(width=width, height=height, tile_px=tile_px, halo_px=radius):
        piece = tiles.cut(picture, tile)
        for part in tiles.parts(tile, part_px=part_px, halo_px=radius):
            top, bottom, left, right = part.halo
            seen = tiles.cut(piece, tiles.inside(part, tile))
            assert np.array_equal(seen, tiles.cut(picture, part))
            answer = _blurred(seen, radius)
            tiles.place(canvas, part, answer[top : len(answer) - bottom, left : answer.shape[1] - right], scale=1)
            tiles.area(count, part, scale=1)[...] += 1
            assert max(len(part.rows), len(part.columns)) <= part_px
    assert (count == 1).all()
    assert np.array_equal(canvas, _blurred(picture, radius))


def test_the_picture_s_border_has_no_halo() -> None:
    """A lone tile is the whole picture, with nothing around it."""
    [tile] = tiles.plan(width=100, height=50, tile_px=256, halo_px=21)
    assert tile.halo == (0, 0, 0, 0)
    assert tile.pixels == 5000


@pytest.mark.parametrize(
    ("length", "expected"), [(256, [256]), (257, [128, 129]), (300, [150, 150]), (513, [171, 171, 171])]
)
def test_tiles_are_near_equal(length: int, expected: list[int]) -> None:
    """A rest is shared among the tiles, for a sliver's halo would cost more than the sliver."""
    plan = tiles.plan(width=length, height=1, tile_px=256, halo_px=21)
    assert [len(tile.columns) for tile in plan] == expected
