"""An example of a task of your own: a picture in few colours. Start with INFERENCE_TASKS=inference.examples.posterise

A task is a contract: what it is called, asks for and costs. Its model says which network computes it, in what tiles.
The network runs in Triton's process and is given one tile after another. Only there is torch imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from inference.contracts import Task, cost_of
from inference.models import Model, NoSource

if TYPE_CHECKING:
    from torch import Tensor


class Parameters(BaseModel):
    """What the asker may say; the studio's form and the API's checks are made of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    colours: int = Field(default=4, ge=2, le=32, title="Colours", description="Steps of each channel.")


MODEL = Model("posterise", 1, "inference.examples.posterise:Posterise", NoSource(), scale=1, halo_px=0, tile_px=1024)
MODELS = (MODEL,)

TASK = Task(
    name="posterise",
    version="1",
    title="Posterise",
    description="Draws a picture in few colours, as on a poster.",
    parameters=Parameters,
    model=MODEL.name,
    max_pixels=100_000_000,
    scale=lambda parameters: 1,
    cost_s=cost_of(MODEL, 2e-8),  # seconds a pixel, measured
    arguments=lambda parameters, picture: {"colours": float(parameters.colours)},
)


class Posterise:
    EXAMPLE: ClassVar[dict[str, float]] = {"colours": 4.0}  # to warm up with

    @classmethod
    def load(cls, *_: Any, **__: Any) -> Posterise:
        """A network would read its weights here, on to a device and in a dtype."""
        return cls()

    def run(self, picture: Tensor, halo: Any = (0, 0, 0, 0), check: Any = None, *, colours: float) -> Any:
        """(H, W, 3) uint8 RGB → the same, and where it is in doubt (H, W): nowhere. It knows no neighbours: no halo."""
        step = 255.0 / (colours - 1.0)
        return (picture.float() / step).round().mul(step).round().byte(), picture.new_zeros(picture.shape[:2])
