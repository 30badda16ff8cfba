"""A task whose model answers in parts and does as it is told: waits before each, breaks at one, forgets one.

It notes each part that it begins in a file beside its weights, where the tests count them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel

from inference.contracts import Task
from inference.models import Model, NoSource
from inference.networks import NotFinite
from inference.tiles import Tile

if TYPE_CHECKING:
    from torch import Tensor

NEVER = -1.0  # of the places in what is asked for, none


class Parameters(BaseModel):
    pause_s: float = 0.0
    raises_at: float = NEVER
    raises_once_at: float = NEVER
    not_finite_at: float = NEVER
    doubts_at: float = NEVER
    forgets: float = NEVER
    repeats: float = NEVER
    invents: float = NEVER


NETWORK = "tests.inference.answering:Brightest"
MODEL = Model("brightest", 1, NETWORK, NoSource(), scale=2, halo_px=2, tile_px=256, part_px=64, align_px=2)
MODELS = (MODEL,)
TASK = Task(
    name="brightest",
    version="1",
    title="Brightest",
    description="The brightest pixel around, twice as large.",
    parameters=Parameters,
    model=MODEL.name,
    max_pixels=10_000_000,
    scale=lambda parameters: 2,
    cost_s=lambda width, height, parameters: 1e-8 * width * height,
    arguments=lambda parameters, picture: parameters.model_dump(),
)


class Brightest:
    EXAMPLE: ClassVar[dict[str, float]] = Parameters().model_dump()

    def __init__(self, notes: Path) -> None:
        self.notes = notes

    @classmethod
    def load(cls, weights: Path, **_: Any) -> Brightest:
        return cls(weights.parent / "begun")

    def stream(
        self, picture: Tensor, parts: Sequence[Tile], check: Any = None, **told: float
    ) -> Iterator[tuple[Tile, Tensor, Tensor]]:
        for place, part in enumerate(parts):
            with self.notes.open("a") as notes:
                notes.write("part\n")
            time.sleep(told["pause_s"])
            self._break(place, told)
            doubt = picture.new_full((len(part.rows), len(part.columns)), float(place == told["doubts_at"]))
            answer = part, brightest(picture, part), doubt
            if place == told["invents"]:
                yield Tile(part.rows, part.rows, part.rows, part.rows), *answer[1:]
            if place != told["forgets"]:
                yield answer
            if place == told["repeats"]:
                yield answer

    def _break(self, place: int, told: dict[str, float]) -> None:
        if place == told["raises_at"]:
            raise ValueError("the lamp is out")
        if place == told["not_finite_at"]:
            raise NotFinite("the network gave numbers that are not finite")
        once = self.notes.with_name("raised")
        if place == told["raises_once_at"] and not once.exists():
            once.touch()
            raise ValueError("the lamp is out for now")


def brightest(picture: Tensor, part: Tile) -> Tensor:
    """Of 5 x 5 pixels; beyond the picture there is nothing."""
    from torch.nn.functional import max_pool2d

    seen = max_pool2d(picture[part.window].permute(2, 0, 1)[None].float(), 5, stride=1, padding=2)[0].byte()
    top, bottom, left, right = part.halo
    own = seen[:, top : seen.shape[1] - bottom, left : seen.shape[2] - right].permute(1, 2, 0)
    return own.repeat_interleave(2, dim=0).repeat_interleave(2, dim=1).contiguous()
