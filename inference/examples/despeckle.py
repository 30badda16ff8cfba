"""An example of a model that answers in parts as they finish. Start with INFERENCE_TASKS=inference.examples.despeckle

A median over 7 x 7 pixels makes 49 of each: of a whole tile they would fill memory. So the model says `part_px`, and
its network has `stream` in place of `run`: told which parts are wanted, it yields each as soon as that one is done.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, Field

from inference.contracts import Task, cost_of
from inference.models import Model, NoSource
from inference.tiles import Tile

if TYPE_CHECKING:
    from torch import Tensor


class Parameters(BaseModel, extra="forbid", frozen=True):
    radius: int = Field(default=2, ge=1, le=3, title="Radius", description="Pixels that are looked at on each side.")


MODEL = Model("despeckle", 1, f"{__name__}:Despeckle", NoSource(), scale=1, halo_px=3, tile_px=1024, part_px=256)
MODELS = (MODEL,)

TASK = Task(
    name="despeckle",
    version="1",
    title="Despeckle",
    description="Takes out specks: each pixel becomes the median of those around it.",
    parameters=Parameters,
    model=MODEL.name,
    max_pixels=100_000_000,
    scale=lambda parameters: 1,
    cost_s=cost_of(MODEL, 2.3e-6),  # seconds a pixel, measured with a radius of 2
    arguments=lambda parameters, picture: {"radius": float(parameters.radius)},
)


class Despeckle:
    EXAMPLE: ClassVar[dict[str, float]] = {"radius": 2.0}

    @classmethod
    def load(cls, *_: Any, **__: Any) -> Despeckle:
        return cls()

    def stream(self, picture: Tensor, parts: Sequence[Tile], check: Any = None, *, radius: float) -> Iterator[Any]:
        """(H, W, 3) uint8 RGB → each part with its (h, w, 3) pixels, and where these are in doubt (h, w): nowhere."""
        from torch.nn.functional import pad

        from inference.networks.halo import without

        r, side = int(radius), 2 * int(radius) + 1
        for part in parts:
            seen = pad(picture[part.window].permute(2, 0, 1)[None].float(), (r, r, r, r), "replicate").byte()
            medians = without(seen.unfold(2, side, 1).unfold(3, side, 1).flatten(4).median(dim=4).values, part.halo)
            yield part, medians[0].permute(1, 2, 0).contiguous(), picture.new_zeros(medians.shape[2:])
