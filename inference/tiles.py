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

    def widened(self, by: int, within: "Span") -> "Span":
        return Span(max(within.start, self.start - by), min(within.stop, self.stop + by))

    def since(self, origin: int) -> "Span":
        """Counted from there."""
        return Span(self.start - origin, self.stop - origin)


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
    def window(self) -> tuple[slice, slice]:
        """What the network must see, as an index."""
        rows, columns = self.outer_rows, self.outer_columns
        return slice(rows.start, rows.stop), slice(columns.start, columns.stop)

    @property
    def pixels(self) -> int:
        """What the network computes, halo included."""
        return len(self.outer_rows) * len(self.outer_columns)


def plan(*, width: int, height: int, tile_px: int, halo_px: int, align_px: int = 1) -> list[Tile]:
    """Cut the picture into near-equal tiles of at most `tile_px` a side, in reading order.

    Each begins, halo and all, at multiples of `align_px`, of which both other lengths must be multiples.
    """
    rows, columns = Span(0, height), Span(0, width)
    return parts(Tile(rows, columns, rows, columns), part_px=tile_px, halo_px=halo_px, align_px=align_px)


def parts(tile: Tile, *, part_px: int, halo_px: int, align_px: int = 1) -> list[Tile]:
    """Cut a tile as `plan` cuts a picture; each part is a tile that sees nothing beyond it."""
    return [
        Tile(rows, columns, rows.widened(halo_px, tile.outer_rows), columns.widened(halo_px, tile.outer_columns))
        for rows in _shares(tile.rows, part_px, align_px)
        for columns in _shares(tile.columns, part_px, align_px)
    ]


def inside(part: Tile, tile: Tile) -> Tile:
    """The part as it lies in `cut(picture, tile)`."""
    top, left = tile.outer_rows.start, tile.outer_columns.start
    return Tile(
        part.rows.since(top), part.columns.since(left), part.outer_rows.since(top), part.outer_columns.since(left)
    )


def _shares(whole: Span, longest: int, align_px: int) -> Iterator[Span]:
    # Equal shares: 300 becomes 150 + 150, and not 256 + 44, whose halo would cost more than the tile.
    count, pieces = -(-len(whole) // longest), -(-len(whole) // align_px)
    for n in range(count):
        stop = whole.start + align_px * ((n + 1) * pieces // count)
        yield Span(whole.start + align_px * (n * pieces // count), min(whole.stop, stop))


def cut(picture: Picture, tile: Tile) -> Picture:
    """The tile with its halo, (h, w, …), contiguous."""
    return np.ascontiguousarray(picture[tile.window])


def place(canvas: Picture, tile: Tile, answer: Picture, *, scale: int) -> None:
    """Write the network's answer for `cut(picture, tile)`, which comes without the halo, into `canvas`."""
    area(canvas, tile, scale=scale)[...] = answer


def area(canvas: Picture, tile: Tile, *, scale: int) -> Picture:
    """The tile's own part of a canvas that is `scale` times the picture: a view."""
    rows = slice(tile.rows.start * scale, tile.rows.stop * scale)
    return canvas[rows, tile.columns.start * scale : tile.columns.stop * scale]
