"""Hides FFDNet, a network that takes noise out of pictures: uint8 pictures in and out, plain PyTorch inside.

It works on the four half-size pictures that every second row and column make, so it costs a quarter of a DnCNN of the
same depth and sees twice as far; like that one it learns the noise and not the picture. How strong the noise is, it is
told by one more channel. Ours has no batch normalisation, and its last layer's output is taken from the input.
Source: Zhang, Zuo, Zhang 2018, "FFDNet: Toward a Fast and Flexible Solution for CNN based Image Denoising",
arXiv:1710.04026; Zhang et al. 2017, "Beyond a Gaussian Denoiser" (DnCNN), arXiv:1608.03981.
"""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import ClassVar, cast

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from inference.networks import NotFinite
from inference.networks.fused import fused
from inference.networks.halo import NO_HALO, Halo, go_on, without

LAYERS = 12
RADIUS = 2 * LAYERS  # pixels: each 3x3 convolution at half the size sees two further
_CHECK_EVERY = 3  # layers


class Ffdnet(nn.Module):
    """FFDNet for colour. Weights decide the number of channels."""

    EXAMPLE: ClassVar[dict[str, float]] = {"sigma": 25.0}  # of what `run` takes beside the picture

    def __init__(self, channels: int = 96) -> None:
        super().__init__()
        widths = [4 * 3 + 1, *[channels] * (LAYERS - 1), 4 * 3]
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in pairwise(widths))
        self._activated = _activated

    @classmethod
    def load(cls, weights: Path, *, device: torch.device, dtype: torch.dtype) -> "Ffdnet":
        """Ready to run: channels-last, without gradients. The first and the last layer stay float32, as SPAN's do."""
        state = load_file(weights)
        network = cls(channels=state["layers.0.weight"].shape[0])
        network.load_state_dict(state)
        network.to(device)
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # a form that torch's stubs lack
        for place, layer in enumerate(network.convolutions):
            layer.to(torch.float32 if place in (0, LAYERS - 1) else dtype)
        network._activated = fused(_activated, device=device)
        network.eval().requires_grad_(False)
        return network

    @property
    def convolutions(self) -> list[nn.Conv2d]:
        return cast(list[nn.Conv2d], list(self.layers))

    def forward(self, x: Tensor, sigma: Tensor, check: Callable[[], None] = go_on) -> Tensor:
        """(batch, 3, H, W) float32 in [0, 1], both sides even, and the noise's standard deviation (batch,) on the same
        scale → the picture without it, not clamped. `check` is called between layers; what it raises ends the run.
        """
        y = F.pixel_unshuffle(x, 2)
        level = sigma.view(-1, 1, 1, 1).expand(-1, 1, *y.shape[2:])
        y = torch.cat([y, level], dim=1)
        *layers, last = self.convolutions
        for place, layer in enumerate(layers):
            if place % _CHECK_EVERY == 0:
                check()
            y = self._activated(layer, y)
        return x - F.pixel_shuffle(last(y.to(last.weight.dtype)), 2)

    @torch.inference_mode()
    def run(
        self, picture: Tensor, halo: Halo = NO_HALO, check: Callable[[], None] = go_on, *, sigma: float
    ) -> tuple[Tensor, Tensor]:
        """(H, W, 3) uint8 RGB → (h, w, 3) uint8 RGB without the halo, and the doubt (h, w) uint8, all 0; on the CPU.

        `sigma`: the noise's standard deviation in steps of 255. Raises: NotFinite.
        """
        device = self.convolutions[0].weight.device
        x = picture.to(device).permute(2, 0, 1)[None].to(torch.float32) / 255.0
        height, width = x.shape[2:]
        padded = F.pad(x, (0, width % 2, 0, height % 2), mode="replicate")
        y = self(padded, torch.full((1,), sigma / 255.0, device=device), check)[:, :, :height, :width]
        if not torch.isfinite(y.sum()):
            raise NotFinite("the network gave numbers that are not finite")
        y = without(y, halo)
        result = (y.clamp(0.0, 1.0) * 255.0).round_().to(torch.uint8)[0].permute(1, 2, 0).contiguous().cpu()
        return result, torch.zeros(result.shape[:2], dtype=torch.uint8)


def _activated(layer: nn.Conv2d, y: Tensor) -> Tensor:
    return F.relu(layer(y.to(layer.weight.dtype)), inplace=True)
