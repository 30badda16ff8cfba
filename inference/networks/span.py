"""Hides SPAN, a super-resolution network: uint8 pictures in and out, plain PyTorch inside.

The published blocks of three convolutions and a skip are folded into one 3x3 convolution each, as in the weight files.
Source: Wan et al. 2023, "Swift Parameter-free Attention Network for Efficient Super-Resolution", arXiv:2311.12770.
"""

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from inference.networks import NotFinite
from inference.networks.fused import fused
from inference.networks.halo import NO_HALO, Halo, go_on, without

BLOCKS = 6
RADIUS = 1 + 3 * BLOCKS + 1 + 1  # pixels: each 3x3 convolution sees one further

# Of the range from black to white. On photographs the mean of an enlarged pixel is at most 0.18 off, and its extremes
# lie within 0.7 of the middle; where the network runs wild it is 0.3 to 60, and they 2 to 400.
DOUBTFUL_MEAN = 0.3
DOUBTFUL_EXTREME = 2.0


class Block(nn.Module):
    """Three convolutions whose result also weighs itself: attention without parameters."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.c1_r = nn.Conv2d(channels, channels, 3, padding=1)
        self.c2_r = nn.Conv2d(channels, channels, 3, padding=1)
        self.c3_r = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Gives the block's result and its first activation (the last block's is used by the tail)."""
        first = F.silu(self.c1_r(x), inplace=True)
        y = self.c3_r(F.silu(self.c2_r(first), inplace=True))
        weight = torch.sigmoid(y).sub_(0.5)
        return y.add_(x).mul_(weight), first


class Span(nn.Module):
    """SPAN ×2. Weights decide the number of channels."""

    EXAMPLE: ClassVar[dict[str, float]] = {}  # of what `run` takes beside the picture

    mean: Tensor

    def __init__(self, channels: int = 48, scale: int = 2) -> None:
        super().__init__()
        self.scale = scale
        self.register_buffer("mean", torch.zeros(3, 1, 1))
        self.conv_1 = nn.Conv2d(3, channels, 3, padding=1)
        for n in range(1, BLOCKS + 1):
            self.add_module(f"block_{n}", Block(channels))
        self.conv_2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv_cat = nn.Conv2d(4 * channels, channels, 1)
        self.upsampler = nn.Conv2d(channels, 3 * scale * scale, 3, padding=1)

    @classmethod
    def load(cls, weights: Path, *, device: torch.device, dtype: torch.dtype) -> "Span":
        """Ready to run: channels-last, without gradients.

        In a short dtype the first and the last convolution stay float32: 1.6 % of the work, and the only ones that see
        or make pixel values, which bfloat16 would round to steps of 1/256.
        """
        state = load_file(weights)
        network = cls(channels=state["conv_1.weight"].shape[0])
        network.load_state_dict(state)
        network.to(device)
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # a form that torch's stubs lack
        for name, child in network.named_children():
            child.to(torch.float32 if name in ("conv_1", "upsampler") else dtype)
            if isinstance(child, Block):
                child.forward = fused(child.forward, device=device)  # type: ignore[method-assign]  # of this one alone
        network.eval().requires_grad_(False)
        return network

    def forward(self, x: Tensor, halo: Halo = NO_HALO, check: Callable[[], None] = go_on) -> Tensor:
        """(batch, 3, H, W) float32 in [0, 1] → (batch, 3, scale·h, scale·w) float32, not clamped, without halo.

        What lies beyond the reach of the layers still to come is dropped after each block: a halo of 21 pixels costs as
        much as one of 11. `check` is called between blocks; what it raises ends the run there.
        """
        body = self.conv_cat.weight.dtype
        head = y = self.conv_1((x - self.mean) * 255.0).to(body)
        before = margin = RADIUS
        first = y
        for n in range(1, BLOCKS + 1):
            check()
            y, activation = self.get_submodule(f"block_{n}")(y)
            before, margin = margin, RADIUS - 1 - 3 * n
            y = _trim(y, halo, before, margin).contiguous(memory_format=torch.channels_last)
            first = y if n == 1 else first
        check()
        joined = [
            _trim(head, halo, RADIUS, 1),
            _trim(self.conv_2(y), halo, margin, 1),
            _trim(first, halo, RADIUS - 4, 1),
            _trim(activation, halo, before, 1),
        ]
        wide = F.pixel_shuffle(self.upsampler(self.conv_cat(torch.cat(joined, dim=1)).float()), self.scale)
        return without(wide, tuple(self.scale * (1 if side >= RADIUS else side) for side in halo))

    @torch.inference_mode()
    def run(self, picture: Tensor, halo: Halo = NO_HALO, check: Callable[[], None] = go_on) -> tuple[Tensor, Tensor]:
        """(H, W, 3) uint8 RGB → (scale·h, scale·w, 3) uint8 RGB without the halo, and the doubt, both on the CPU.

        The doubt, (h, w) uint8, is 1 where the result contradicts the pixel that it enlarges: the network ran wild,
        as it does on spots of extreme contrast. Raises: NotFinite.
        """
        pixels = picture.to(self.mean.device).permute(2, 0, 1)[None]  # a channels-last view: no copy
        x = pixels.to(torch.float32) / 255.0
        y = self(x, halo, check)
        if not torch.isfinite(y.sum()):
            raise NotFinite("the network gave numbers that are not finite")
        doubt = self._doubt(without(x, halo), y).to(torch.uint8)
        y = (y.clamp(0.0, 1.0) * 255.0).round_().to(torch.uint8)
        return y[0].permute(1, 2, 0).contiguous().cpu(), doubt[0, 0].contiguous().cpu()

    def _doubt(self, x: Tensor, y: Tensor) -> Tensor:
        """(batch, 1, h, w): whether the mean or the extremes of what became of a pixel are beyond belief."""
        off = (F.avg_pool2d(y, self.scale) - x).abs().amax(dim=1, keepdim=True)
        extreme = F.max_pool2d((y - 0.5).abs().amax(dim=1, keepdim=True), self.scale)
        return (off > DOUBTFUL_MEAN) | (extreme > DOUBTFUL_EXTREME)


def _trim(x: Tensor, halo: Halo, margin: int, reach: int) -> Tensor:
    """Narrow the margin that `x` has on each side with a whole halo from `margin` to `reach`.

    A side with less than the radius is one where the picture ends: its padding is right, so it stays until the end.
    """
    return without(x, tuple(margin - reach if side >= RADIUS else 0 for side in halo))
