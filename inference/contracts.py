"""Hides what each task asks and gives: parameters, limits, scale, an estimate of the cost. No torch, no gRPC."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from inference import hysteresis, noise
from inference.errors import PictureTooLarge
from inference.models import CANNY as CANNY_MODEL
from inference.models import FFDNET, HED, SPAN_X2, Model
from inference.tiles import Picture

# Seconds a pixel, halo included: two AVX2 cores, float32 (measured 5.4 to 7 for SPAN, whose work is twice FFDNet's).
# They order and price jobs before any has run; what a job did cost comes from `Result.compute_s`.
_SPAN_S_PER_PIXEL = 6.0e-6
_FFDNET_S_PER_PIXEL = 3.0e-6
_HED_S_PER_PIXEL = 3.0e-6
_CANNY_S_PER_PIXEL = 1.5e-7
_MAX_PIXELS = 100_000_000  # a gigapixel scan's quarter: minutes on two cores, but little memory
_MAX_RESULT_SIDE_PX = 65_500  # what a JPEG can hold
MAX_SMOOTHING_PX = 5.0


class EnhanceParameters(BaseModel):
    """How to enhance."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    scale: Literal[2] = Field(default=2, title="Scale", description="How many times wider and higher the result is.")


class DenoiseParameters(BaseModel):
    """How to take out noise."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    strength: float | None = Field(
        default=None,
        ge=noise.MIN_SIGMA,
        le=noise.MAX_SIGMA,
        title="Strength",
        description="The noise's standard deviation in steps of 255. Left out, it is measured in the picture.",
    )


class EdgesParameters(BaseModel):
    """How to draw outlines."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    lines: Literal["white", "black"] = Field(
        default="white", title="Lines", description="White lines on black, or black lines on white."
    )


class CannyParameters(BaseModel):
    """How to trace edges."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    low_threshold: int = Field(
        default=100,
        ge=0,
        le=255,
        title="Low threshold",
        description="How steep brightness must be where an edge goes on.",
    )
    high_threshold: int = Field(
        default=200,
        ge=0,
        le=255,
        validate_default=True,
        title="High threshold",
        description="How steep it must be somewhere along each edge; not less than the low threshold.",
    )
    smoothing: float = Field(
        default=1.0,
        ge=0,
        le=MAX_SMOOTHING_PX,
        title="Smoothing",
        description="The standard deviation, in pixels, of the Gaussian that first takes out fine texture; 0 for none.",
    )
    lines: Literal["white", "black"] = Field(
        default="white", title="Lines", description="White lines on black, or black lines on white."
    )

    @field_validator("high_threshold")
    @classmethod
    def _not_below_the_low_one(cls, high: int, known: ValidationInfo) -> int:
        low = known.data.get("low_threshold", high)  # what is not valid itself is told of already
        if high < low:
            raise PydanticCustomError(
                "below_low_threshold",
                "The high threshold is {high}; it can't be less than the low one, which is {low}",
                {"high": high, "low": low},
            )
        return high


@dataclass(frozen=True, slots=True)
class Task:
    """What a task promises. Pictures are (height, width, 3) uint8 RGB; they come out scaled by `scale(parameters)`."""

    name: str
    version: str
    title: str
    description: str
    parameters: type[BaseModel]
    model: str  # a name in the registry
    max_pixels: int  # of the input
    scale: Callable[[Any], int]
    cost_s: Callable[[int, int, Any], float]  # (width, height, parameters) -> seconds of compute, an estimate
    arguments: Callable[[Any, Picture], dict[str, float]]  # what the network is told: by parameters and picture
    # What can't be done tile by tile: changes the whole result in place, by the parameters.
    finish: Callable[[Any, Picture], None] = lambda parameters, result: None

    def check_size(self, *, width: int, height: int, parameters: BaseModel) -> None:
        """Raises: PictureTooLarge."""
        side_px = _MAX_RESULT_SIDE_PX // self.scale(parameters)
        if max(width, height) > side_px:
            raise PictureTooLarge(
                f"{self.title} takes pictures of up to {side_px} pixels a side; this one has {width} x {height}.",
                max_side_px=side_px,
            )
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


def cost_of(model: Model, s_per_pixel: float) -> Callable[[int, int, Any], float]:
    """An estimate that grows with what the network computes."""

    def cost_s(width: int, height: int, _parameters: Any) -> float:
        return s_per_pixel * sum(tile.pixels for tile in model.plan(width=width, height=height))

    return cost_s


def _denoise_arguments(parameters: DenoiseParameters, picture: Picture) -> dict[str, float]:
    return {"sigma": noise.estimate_sigma(picture) if parameters.strength is None else parameters.strength}


ENHANCE = Task(
    name="enhance",
    version="1",
    title="Enhance ×2",
    description="Makes a photograph twice as wide and twice as high, with sharper detail than interpolation gives.",
    parameters=EnhanceParameters,
    model=SPAN_X2.name,
    max_pixels=_MAX_PIXELS,
    scale=_enhance_scale,
    cost_s=cost_of(SPAN_X2, _SPAN_S_PER_PIXEL),
    arguments=lambda parameters, picture: {},
)

DENOISE = Task(
    name="denoise",
    version="1",
    title="Denoise",
    description="Takes the grain out of a photograph that was made in too little light, and keeps its edges.",
    parameters=DenoiseParameters,
    model=FFDNET.name,
    max_pixels=_MAX_PIXELS,
    scale=lambda parameters: 1,
    cost_s=cost_of(FFDNET, _FFDNET_S_PER_PIXEL),
    arguments=_denoise_arguments,
)

EDGES = Task(
    name="edges",
    version="1",
    title="Edges",
    description="Draws the outlines of what a photograph shows, as a person would, and leaves its texture out.",
    parameters=EdgesParameters,
    model=HED.name,
    max_pixels=_MAX_PIXELS,
    scale=lambda parameters: 1,
    cost_s=cost_of(HED, _HED_S_PER_PIXEL),
    arguments=lambda parameters, picture: {"invert": float(parameters.lines == "black")},
)

CANNY = Task(
    name="canny",
    version="1",
    title="Canny edges",
    description="Traces where brightness or colour changes steeply: thin lines, all equally strong, texture included.",
    parameters=CannyParameters,
    model=CANNY_MODEL.name,
    max_pixels=_MAX_PIXELS,
    scale=lambda parameters: 1,
    cost_s=cost_of(CANNY_MODEL, _CANNY_S_PER_PIXEL),
    arguments=lambda parameters, picture: {
        "low": parameters.low_threshold,
        "high": parameters.high_threshold,
        "sigma": parameters.smoothing,
    },
    finish=lambda parameters, result: hysteresis.draw(result, white=parameters.lines == "white"),
)
