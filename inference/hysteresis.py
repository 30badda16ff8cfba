"""Hides how weak edges are judged: those stay that hang together with a strong one, however far away in the picture.

Canny's last step, which no tile can do. Pixels hang together with the eight round them. The picture is gone over in
strips of whole rows, so memory does not grow with it: the runs of edge pixels in a strip make a graph, whose pieces are
settled unless they reach the next strip; those make the nodes of a second graph, across all strips.
Source: Canny 1986, "A Computational Approach to Edge Detection", IEEE TPAMI 8(6), section VIII.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from backend.core import arrays
from inference.tiles import Picture

WEAK, STRONG = 128, 255
_STRIP_PX = 1 << 20

Numbers = NDArray[np.intp]
Flags = NDArray[np.bool_]


def draw(result: Picture, *, white: bool, strip_px: int = _STRIP_PX) -> None:
    """Change `result` (H, W, 3) in place, from 0, WEAK and STRONG, the same in all channels, to lines on their ground:
    white ones on black, or black ones on white.
    """
    height, width = result.shape[:2]
    rows = max(1, strip_px // width)
    strips = [result[top : top + rows] for top in range(0, height, rows)]
    seams = _Seams()
    open_nodes = []
    for strip in strips:
        open_nodes.append(_settle(strip, seams, at_end=strip is strips[-1]))
        arrays.let_go(result)
    kept = seams.kept()
    for strip, nodes in zip(strips, open_nodes, strict=True):
        _paint(strip, kept[nodes], white=white)
        arrays.let_go(result)


class _Runs(NamedTuple):
    """Pixels side by side in a row, in reading order: from each start to before its end."""

    starts: Numbers
    ends: Numbers

    def where(self, which: Flags) -> "_Runs":
        return _Runs(self.starts[which], self.ends[which])

    def moved(self, by: int) -> "_Runs":
        return _Runs(self.starts + by, self.ends + by)


_NO_NODES: Numbers = np.empty(0, np.intp)
_NO_RUNS = _Runs(_NO_NODES, _NO_NODES)


@dataclass(slots=True)
class _Seams:
    """The graph across strips: pieces that reach a strip's first or last row, where there is another beyond it."""

    count: int = 0
    strong: list[Flags] = field(default_factory=list)
    pairs: list[tuple[Numbers, Numbers]] = field(default_factory=list)
    last: tuple[_Runs, Numbers] = (_NO_RUNS, _NO_NODES)  # runs of the row before the strip to come, and their nodes

    def add(self, strong: Flags) -> Numbers:
        """New nodes."""
        self.count += len(strong)
        self.strong.append(strong)
        return np.arange(self.count - len(strong), self.count)

    def join(self, first: tuple[_Runs, Numbers], last: tuple[_Runs, Numbers]) -> None:
        """A strip's first row to the last row before it."""
        (above, nodes_above), (below, nodes_below) = self.last, first
        a, b = _touching(above, below)
        self.pairs.append((nodes_above[a], nodes_below[b]))
        self.last = last

    def kept(self) -> Flags:
        """For each node: whether what it belongs to is strong anywhere."""
        a, b = (np.concatenate(ends) for ends in zip(*self.pairs, strict=True))
        piece, pieces = _pieces(self.count, a, b)
        strong = np.zeros(pieces, np.bool_)
        strong[piece[np.concatenate(self.strong)]] = True
        return strong[piece]


def _settle(strip: Picture, seams: _Seams, *, at_end: bool) -> Numbers:
    """Make STRONG or 0 in the first channel of what the strip alone can tell, and leave the rest WEAK.

    Gives the rest's nodes, piece by piece in reading order.
    """
    flat, width = _flat(strip)
    edges = flat != 0
    runs = _runs(edges)
    piece, pieces = _pieces_of(runs, width)
    strong, open_, node = np.zeros(pieces, np.bool_), np.zeros(pieces, np.bool_), np.zeros(pieces, np.intp)
    if pieces:
        strong[piece[np.maximum.reduceat(flat, runs.starts) == STRONG]] = True
    last_row = len(flat) - width
    first, last = runs.starts < width, (runs.starts >= last_row) & (not at_end)
    open_[piece[last | (first & bool(seams.pairs))]] = True
    node[open_] = seams.add(strong[open_])
    seams.join((runs.where(first), node[piece[first]]), (runs.where(last).moved(-last_row), node[piece[last]]))
    fate = np.where(strong, STRONG, np.where(open_, WEAK, 0)).astype(np.uint8)
    flat[edges] = np.repeat(fate[piece], runs.ends - runs.starts)
    strip[:, :, 0] = flat.reshape(-1, width)[:, :-1]
    return node[open_ & ~strong]


def _paint(strip: Picture, kept: Flags, *, white: bool) -> None:
    """Draw the strip's lines. Of the pieces that are still WEAK those stay that are `kept`, in reading order."""
    flat, width = _flat(strip)
    if len(kept):
        weak = flat == WEAK
        runs = _runs(weak)
        piece, _ = _pieces_of(runs, width)
        flat[weak] = np.repeat(kept[piece] * np.uint8(STRONG), runs.ends - runs.starts)
    lines = flat.reshape(-1, width)[:, :-1, None]
    strip[...] = lines if white else STRONG - lines


def _flat(strip: Picture) -> tuple[NDArray[np.uint8], int]:
    """The strip's first channel, row after row with a pixel of nothing between them, and the width with that."""
    height, width = strip.shape[:2]
    apart = np.zeros((height, width + 1), np.uint8)
    apart[:, :width] = strip[:, :, 0]
    return apart.reshape(-1), width + 1


def _runs(edges: Flags) -> _Runs:
    """Of a flat strip, whose last pixel is none."""
    changes = np.flatnonzero(np.diff(edges, prepend=False))
    return _Runs(changes[::2], changes[1::2])


def _pieces_of(runs: _Runs, width: int) -> tuple[Numbers, int]:
    return _pieces(len(runs.starts), *_touching(runs.moved(width), runs))


def _touching(above: _Runs, below: _Runs) -> tuple[Numbers, Numbers]:
    """Which of `above` touch which of `below`, were they moved down by a row; at a corner is enough."""
    begin = np.searchsorted(below.ends, above.starts, "left")
    counts = np.searchsorted(below.starts, above.ends, "right") - begin
    which = np.repeat(np.arange(len(counts)), counts)
    return which, np.arange(len(which)) + np.repeat(begin - np.cumsum(counts) + counts, counts)


def _pieces(nodes: int, a: Numbers, b: Numbers) -> tuple[Numbers, int]:
    """The connected piece of each node of a graph with edges `a` to `b`, numbered by their first nodes; how many.

    All roots hook on to a smaller neighbour at once, and then all paths are made short.
    Source: Shiloach, Vishkin 1982, "An O(log n) Parallel Connectivity Algorithm", J. Algorithms 3(1).
    """
    root = np.arange(nodes)
    while len(a):
        np.minimum.at(root, np.maximum(a, b), np.minimum(a, b))
        while not np.array_equal(root, shorter := root[root]):
            root = shorter
        a, b = root[a], root[b]
        a, b = a[a != b], b[a != b]
    first = root == np.arange(nodes)
    return (np.cumsum(first) - 1)[root], int(first.sum())
