"""Hides HED, a network that draws the outlines of what a picture shows: uint8 pictures in and out, PyTorch inside.

The thirteen convolutions of VGG-16 with a side output after each of its five blocks; each is enlarged to the picture's
size, and a sixth layer weighs them. Source: Xie, Tu 2015, "Holistically-Nested Edge Detection", arXiv:1504.06375.
"""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from inference.networks import NotFinite
from inference.networks.halo import NO_HALO, Halo, go_on, without

BLOCKS = ((3, 64, 64), (64, 128, 128), (128, 256, 256, 256), (256, 512, 512, 512), (512, 512, 512, 512))
ALIGN = 16  # pixels: what one of the last block's numbers stands for
RADIUS = 98 + ALIGN // 2  # the last block sees 196 pixels; a pixel takes of the two numbers that it lies between
_MEAN = (122.67892, 116.66877, 104.00699)  # RGB, of the photographs that VGG-16 was trained on


class Hed(nn.Module):
    """The five blocks, their side outputs, and the layer that weighs these."""

    EXAMPLE: ClassVar[dict[str, float]] = {}  # of what `run` takes beside the picture

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in pairwise(widths)) for widths in BLOCKS
        )
        self.sides = nn.ModuleList(nn.Conv2d(widths[-1], 1, 1) for widths in BLOCKS)
        self.fuse = nn.Conv2d(len(BLOCKS), 1, 1)

    @classmethod
    def load(cls, weights: Path, *, device: torch.device, dtype: torch.dtype) -> "Hed":
        """Ready to run: channels-last, without gradients; the blocks in `dtype`, what comes after them in float32."""
        network = cls()
        network.load_state_dict(load_file(weights))
        network.to(device)
        network.blocks.to(dtype)
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # a form that torch's stubs lack
        network.eval().requires_grad_(False)
        return network

    def forward(self, x: Tensor, check: Callable[[], None] = go_on) -> Tensor:
        """(batch, 3, H, W) float32 RGB in [0, 255], sides multiples of ALIGN → (batch, 1, H, W), how likely each pixel
        lies on an outline. `check` is called between blocks; what it raises ends the run.
        """
        mean = torch.tensor(_MEAN, device=x.device).view(1, 3, 1, 1)
        y = (x - mean).to(next(self.blocks.parameters()).dtype)
        sides = []
        for place, (block, side) in enumerate(zip(self.blocks, self.sides, strict=True)):
            check()
            y = F.max_pool2d(y, 2) if place else y
            for layer in block:  # type: ignore[attr-defined]  # a list of layers
                y = F.relu(layer(y), inplace=True)
            seen = side(y.to(torch.float32))
            sides.append(F.interpolate(seen, scale_factor=2.0**place, mode="bilinear") if place else seen)
        return torch.sigmoid(self.fuse(torch.cat(sides, dim=1)))

    @torch.inference_mode()
    def run(
        self, picture: Tensor, halo: Halo = NO_HALO, check: Callable[[], None] = go_on, *, invert: float = 0.0
    ) -> tuple[Tensor, Tensor]:
        """(H, W, 3) uint8 RGB → (h, w, 3) uint8 RGB without the halo, and the doubt (h, w) uint8, all 0; on the CPU.

        White lines on black; `invert`, where it is not 0: black on white. Raises: NotFinite.
        """
        x = picture.to(self.fuse.weight.device).permute(2, 0, 1)[None].to(torch.float32)
        height, width = x.shape[2:]
        padded = F.pad(x, (0, -width % ALIGN, 0, -height % ALIGN), mode="replicate")
        y = without(self(padded, check)[:, :, :height, :width], halo)
        if not torch.isfinite(y.sum()):
            raise NotFinite("the network gave numbers that are not finite")
        lines = (y * 255.0).round_().to(torch.uint8)[0].permute(1, 2, 0)
        result = (255 - lines if invert else lines).expand(-1, -1, 3).contiguous().cpu()
        return result, torch.zeros(result.shape[:2], dtype=torch.uint8)
