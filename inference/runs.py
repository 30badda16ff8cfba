"""Hides what a run is made of: what goes in, what is told of it on its way, what it gives. No gRPC."""

import queue
import time
from dataclasses import dataclass, field

import numpy as np

from inference.errors import InvalidPicture
from inference.gate import Turn
from inference.models import Model
from inference.tiles import Picture


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


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is, in tiles, and the seconds of compute that they took."""

    done: int
    total: int
    compute_s: float


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
