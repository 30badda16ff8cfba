"""Hides how a picture is cut into tiles and put together again without a seam. Pure: numpy alone.

Each tile carries a halo at least as wide as the network's receptive radius, except at the picture's own border, where
the network pads as it would for the whole picture. So the stitched result equals the untiled one: nothing to blend.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open range of rows or columns."""

    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def widened(self, by: int, limit: int) -> "Span":
        return Span(max(0, self.start - by), min(limit, self.stop + by))


@dataclass(frozen=True, slots=True)
class Tile:
    """`rows` x `columns` is what the tile answers for; `outer_*` is what the network must see for that."""

    rows: Span
    columns: Span
    outer_rows: Span
    outer_columns: Span

    @property
    def halo(self) -> tuple[int, int, int, int]:
        """Rows and columns of context: top, bottom, left, right."""
        return (
            self.rows.start - self.outer_rows.start,
            self.outer_rows.stop - self.rows.stop,
            self.columns.start - self.outer_columns.start,
            self.outer_columns.stop - self.columns.stop,
        )

    @property
    def pixels(self) -> int:
        """What the network computes, halo included."""
        return len(self.outer_rows) * len(self.outer_columns)


def plan(*, width: int, height: int, tile_px: int, halo_px: int, align_px: int = 1) -> list[Tile]:
    """Cut the picture into near-equal tiles of at most `tile_px` a side, in reading order.

    Each begins, halo and all, at multiples of `align_px`, of which both other lengths must be multiples.
    """
    return [
        Tile(rows, columns, rows.widened(halo_px, height), columns.widened(halo_px, width))
        for rows in _shares(height, tile_px, align_px)
        for columns in _shares(width, tile_px, align_px)
    ]


def _shares(length: int, longest: int, align_px: int) -> Iterator[Span]:
    # Equal shares: 300 becomes 150 + 150, and not 256 + 44, whose halo would cost more than the tile.
    count, pieces = -(-length // longest), -(-length // align_px)
    for n in range(count):
        yield Span(align_px * (n * pieces // count), min(length, align_px * ((n + 1) * pieces // count)))


def cut(picture: Picture, tile: Tile) -> Picture:
    """The tile with its halo, (h, w, …), contiguous."""
    outer = picture[tile.outer_rows.start : tile.outer_rows.stop, tile.outer_columns.start : tile.outer_columns.stop]
    return np.ascontiguousarray(outer)


def place(canvas: Picture, tile: Tile, answer: Picture, *, scale: int) -> None:
    """Write the network's answer for `cut(picture, tile)`, which comes without the halo, into `canvas`."""
    area(canvas, tile, scale=scale)[...] = answer


def area(canvas: Picture, tile: Tile, *, scale: int) -> Picture:
    """The tile's own part of a canvas that is `scale` times the picture: a view."""
    rows = slice(tile.rows.start * scale, tile.rows.stop * scale)
    return canvas[rows, tile.columns.start * scale : tile.columns.stop * scale]
