"""Hides what a run is made of: what goes in, what is told of it on its way, what it gives. No gRPC."""

import queue
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from inference.errors import InvalidPicture
from inference.gate import Turn
from inference.models import Model
from inference.tiles import Picture, Tile


@dataclass(frozen=True, slots=True)
class Result:
    """What a run gave. `compute_s`: of the network alone, summed over the tiles that make up the picture."""

    picture: Picture  # (scale·H, scale·W, 3) uint8 RGB
    compute_s: float
    model: str
    model_version: str
    model_digest: str
    dtype: str
    tiles: int


@dataclass(frozen=True, slots=True)
class Server:
    """Triton's version, whether its repository has the model of each task, and what it has loaded."""

    version: str
    models: dict[str, bool]
    loaded: frozenset[str]  # names as Triton has them: `Model.served`


@dataclass(frozen=True, slots=True)
class Report:
    """What a tile's answer says beside its pixels."""

    compute_s: float
    digest: str
    dtype: str


class Area(NamedTuple):
    """Of a picture, in pixels; half-open."""

    top: int
    bottom: int
    left: int
    right: int

    @classmethod
    def of(cls, tile: Tile, *, scale: int) -> "Area":
        """What the tile answers for, of a result that is `scale` times the picture."""
        edges = tile.rows.start, tile.rows.stop, tile.columns.start, tile.columns.stop
        return cls(*(scale * edge for edge in edges))


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is, in tiles or, of a model that answers in parts, in these; and the seconds that they took."""

    done: int
    total: int
    compute_s: float
    picture: Picture  # as it comes
    areas: Sequence[Area]  # that have come; they are added to the end of it


@dataclass(slots=True)
class Run:
    """One picture on its way through the model."""

    model: Model
    picture: Picture
    canvas: Picture
    traceparent: str
    deadline: float  # time.monotonic()
    turn: Turn
    arguments: dict[str, float]
    progress: "queue.SimpleQueue[Progress | None]" = field(default_factory=queue.SimpleQueue)

    def left_s(self) -> float:
        return self.deadline - time.monotonic()


def check_picture(picture: Picture) -> None:
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or 0 in picture.shape:
        raise InvalidPicture(f"A task takes (height, width, 3) uint8, not {picture.shape} {picture.dtype}.")
