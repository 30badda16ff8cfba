"""Hides Canny's edge detector as far as a tile can tell: uint8 pictures in, classes of pixels out. It has no weights.

A Gaussian, Sobel's gradient, the crests of its strength, and two thresholds; `inference.hysteresis` decides about what
is weak. All in whole numbers, so that a tile gives to the bit what the whole picture would, on any device. Without the
Gaussian it is what OpenCV's `Canny(picture, low, high)` does and ControlNets were trained with: of the three channels
the steepest counts, and strength is |x| + |y|.
Source: Canny 1986, "A Computational Approach to Edge Detection", IEEE TPAMI 8(6).
"""

import math
from collections.abc import Callable
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from inference.contracts import MAX_SMOOTHING_PX
from inference.hysteresis import STRONG, WEAK
from inference.networks.halo import NO_HALO, Halo, go_on, without

_TAILS = 3  # standard deviations to which the Gaussian reaches
RADIUS = math.ceil(_TAILS * MAX_SMOOTHING_PX) + 2  # the gradient sees a pixel far, and a crest its neighbours
_BITS = 11  # the Gaussian's weights sum to 2^11: 255 times the square of that fits into 32 bits
_TAN_22 = 13_573  # tan(22.5°) · 2^15; that of 67.5° is larger by 2


class Canny:
    """Nothing but its device."""

    EXAMPLE: ClassVar[dict[str, float]] = {"low": 100.0, "high": 200.0, "sigma": 1.0}  # beside the picture

    def __init__(self, device: torch.device) -> None:
        self._device = device

    @classmethod
    def load(cls, *_: Any, device: torch.device, **__: Any) -> "Canny":
        return cls(device)

    @torch.inference_mode()
    def run(
        self,
        picture: Tensor,
        halo: Halo = NO_HALO,
        check: Callable[[], None] = go_on,
        *,
        low: float,
        high: float,
        sigma: float,
    ) -> tuple[Tensor, Tensor]:
        """(H, W, 3) uint8 RGB → (h, w, 3) uint8 without the halo: STRONG, WEAK or 0, and the doubt (h, w), all 0.

        A pixel is WEAK whose strength, up to 2,040, is above `low`, and STRONG above `high`. `sigma` is the Gaussian's
        standard deviation in pixels, 0 for none. `check` is called between steps; what it raises ends the run.
        """
        x = _smoothed(picture.to(self._device).permute(2, 0, 1).contiguous(), sigma)
        check()
        across, down = _gradient(x.to(torch.int16))
        check()
        strength, crest = _crests(across, down)
        classes = (crest & (strength > low)) * WEAK + (crest & (strength > high)) * (STRONG - WEAK)
        result = without(classes[None, None], halo)[0, 0].to(torch.uint8).cpu()
        return result[..., None].expand(-1, -1, 3).contiguous(), torch.zeros(result.shape, dtype=torch.uint8)


def _weights(sigma: float) -> list[int]:
    """From the centre outwards; the whole Gaussian, both tails, sums to 2^`_BITS`."""
    bell = [math.exp(-0.5 * (x / sigma) ** 2) for x in range(math.ceil(_TAILS * sigma) + 1)]
    whole = 2 * sum(bell) - bell[0]
    tail = [round((1 << _BITS) * share / whole) for share in bell[1:]]
    return [(1 << _BITS) - 2 * sum(tail), *tail]


def _smoothed(x: Tensor, sigma: float) -> Tensor:
    """(3, H, W) uint8 → int32 in [0, 255]."""
    x = x.to(torch.int32)
    if not sigma:
        return x
    centre, *tail = _weights(sigma)
    for dim in (1, 2):
        length, padded = x.shape[dim], _padded(x, dim, len(tail))
        x = centre * x
        for away, weight in enumerate(tail, start=1):
            for begin in (len(tail) - away, len(tail) + away):
                x.add_(padded.narrow(dim, begin, length), alpha=weight)
    return (x + (1 << (2 * _BITS - 1))) >> (2 * _BITS)


def _gradient(x: Tensor) -> tuple[Tensor, Tensor]:
    """(3, H, W) → Sobel's two, of the channel that is steepest at the pixel: (H, W) each."""
    x = _padded(_padded(x, 1, 1), 2, 1)
    columns = x[:, :-2] + 2 * x[:, 1:-1] + x[:, 2:]
    rows = x[:, :, :-2] + 2 * x[:, :, 1:-1] + x[:, :, 2:]
    across, down = columns[:, :, 2:] - columns[:, :, :-2], rows[:, 2:] - rows[:, :-2]
    x, y = across[0], down[0]
    for channel in (1, 2):  # argmax and gather take six times as long
        steeper = _strength(across[channel], down[channel]) > _strength(x, y)
        x, y = torch.where(steeper, across[channel], x), torch.where(steeper, down[channel], y)
    return x, y


def _strength(across: Tensor, down: Tensor) -> Tensor:
    return across.abs() + down.abs()


def _crests(across: Tensor, down: Tensor) -> tuple[Tensor, Tensor]:
    """The gradient's strength, and where it is higher than at the two neighbours that lie in its direction.

    Of two that are equally high along a row or a column the later is none, so that lines are thin.
    """
    x, y = across.to(torch.int32).abs(), down.to(torch.int32).abs() << 15
    strength = _strength(across, down)
    height, width = strength.shape
    beyond = F.pad(strength, (1, 1, 1, 1))

    def higher(row: int, column: int) -> Tensor:
        return strength > beyond[1 + row : 1 + row + height, 1 + column : 1 + column + width]

    def as_high(row: int, column: int) -> Tensor:
        return strength >= beyond[1 + row : 1 + row + height, 1 + column : 1 + column + width]

    flat, steep = y < x * _TAN_22, y > x * (_TAN_22 + (2 << 15))
    falling = (across ^ down) >= 0  # of one sign: the gradient points down to the right, or up to the left
    along = torch.where(falling, higher(-1, -1) & higher(1, 1), higher(-1, 1) & higher(1, -1))
    along = torch.where(steep, higher(-1, 0) & as_high(1, 0), along)
    return strength, torch.where(flat, higher(0, -1) & as_high(0, 1), along)


def _padded(x: Tensor, dim: int, by: int) -> Tensor:
    """The outermost rows or columns repeated `by` times."""
    places = torch.arange(-by, x.shape[dim] + by, device=x.device).clamp_(0, x.shape[dim] - 1)
    return x.index_select(dim, places)
