"""Hides what each task asks and gives: parameters, limits, scale, an estimate of the cost. No torch, no gRPC."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from inference import tiles
from inference.errors import PictureTooLarge, UnknownTask
from inference.models import MODELS, SPAN_X2

# Seconds a pixel, halo included: two AVX2 cores, float32 (measured 5.4 to 7). It orders and prices jobs before any has
# run; what a job did cost comes from `Result.compute_s`.
_ENHANCE_S_PER_PIXEL = 6.0e-6
_ENHANCE_S_FIXED = 0.05


class EnhanceParameters(BaseModel):
    """How to enhance."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    scale: Literal[2] = Field(default=2, title="Scale", description="How many times wider and higher the result is.")


@dataclass(frozen=True, slots=True)
class Task:
    """What a task promises. Pictures are (height, width, 3) uint8 RGB; they come out scaled by `scale(parameters)`."""

    name: str
    version: str
    title: str
    description: str
    parameters: type[BaseModel]
    model: str  # a name in inference.models.MODELS
    max_pixels: int  # of the input: the result and its codec's buffers are in memory whole
    scale: Callable[[Any], int]
    cost_s: Callable[[int, int, Any], float]  # (width, height, parameters) -> seconds of compute, an estimate

    def check_size(self, *, width: int, height: int) -> None:
        """Raises: PictureTooLarge."""
        if width * height > self.max_pixels:
            raise PictureTooLarge(
                f"{self.title} takes pictures of up to {self.max_pixels / 1e6:.0f} megapixels; "
                f"this one has {width * height / 1e6:.1f}.",
                max_pixels=self.max_pixels,
            )

    def parameters_schema(self) -> dict[str, Any]:
        """The JSON Schema of the parameters, for clients."""
        return self.parameters.model_json_schema()


def _enhance_scale(parameters: EnhanceParameters) -> int:
    return parameters.scale


def _enhance_cost_s(width: int, height: int, _parameters: EnhanceParameters) -> float:
    model = MODELS[SPAN_X2.name]
    plan = tiles.plan(width=width, height=height, tile_px=model.tile_px, halo_px=model.halo_px)
    return _ENHANCE_S_FIXED + _ENHANCE_S_PER_PIXEL * sum(tile.pixels for tile in plan)


ENHANCE = Task(
    name="enhance",
    version="1",
    title="Enhance ×2",
    description="Makes a photograph twice as wide and twice as high, with sharper detail than interpolation gives.",
    parameters=EnhanceParameters,
    model=SPAN_X2.name,
    max_pixels=16_777_216,  # 4096 x 4096: two minutes on two cores, and 200 MB for the result
    scale=_enhance_scale,
    cost_s=_enhance_cost_s,
)

TASKS: Mapping[str, Task] = MappingProxyType({task.name: task for task in (ENHANCE,)})


def task_named(name: str) -> Task:
    """Raises: UnknownTask."""
    try:
        return TASKS[name]
    except KeyError:
        raise UnknownTask(f"There is no task of this name. There are: {', '.join(TASKS)}.") from None
