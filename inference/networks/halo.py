"""What networks share that run tile by tile: the context round a tile, and who may stop a run between layers."""

from torch import Tensor

Halo = tuple[int, int, int, int]  # top, bottom, left, right: rows and columns of the input that are only context
NO_HALO: Halo = (0, 0, 0, 0)


def go_on() -> None:
    """The check of who cannot be cancelled."""


def without(x: Tensor, sides: tuple[int, ...]) -> Tensor:
    """(batch, channels, H, W) less so much at each side, as `Halo` orders them."""
    top, bottom, left, right = sides
    return x[:, :, top : x.shape[2] - bottom, left : x.shape[3] - right]
