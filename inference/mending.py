"""Hides what is done where a network has run wild: there the picture is enlarged by bicubic interpolation instead.

Super-resolution networks can diverge where contrast is extreme: a speck of coloured noise in a photograph, all of a
hard graphic. The model marks the pixels whose enlargement contradicts them; round these the result fades into the
interpolated picture. Pure: numpy and Pillow.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from inference import tiles
from inference.tiles import Picture

Mask = NDArray[np.uint8]

# Pixels of the input. What ran wild spoils its neighbours: within 6 pixels on photographs; 12 leave nothing of it.
_SPREAD_PX = 8
_FADE_PX = 4
_BLOCK_PX = 256
_REACH_PX = _SPREAD_PX + _FADE_PX + 4  # bicubic looks two pixels far


def mend(picture: Picture, result: Picture, doubt: Mask, *, scale: int) -> None:
    """Change `result` in place round the pixels of `picture` where `doubt` (H, W) is not zero, and nowhere else."""
    height, width = doubt.shape
    for tile in tiles.plan(width=width, height=height, tile_px=_BLOCK_PX, halo_px=_REACH_PX):
        near = tiles.cut(doubt, tile)
        if not near.any():
            continue
        alpha = _enlarged(_weight(near), tile, scale, Image.Resampling.BILINEAR)
        smooth = _enlarged(tiles.cut(picture, tile), tile, scale, Image.Resampling.BICUBIC)
        share = alpha[..., None].astype(np.float32) / 255.0
        mixed = tiles.area(result, tile, scale=scale) * (1.0 - share) + smooth * share
        tiles.place(result, tile, mixed.round().astype(np.uint8), scale=scale)


def _weight(doubt: Mask) -> Mask:
    """255 up to `_SPREAD_PX` from a doubtful pixel, then falling to 0."""
    wide = np.where(doubt != 0, np.uint8(255), np.uint8(0))
    for axis in (0, 1):
        reached = 0
        while reached < _SPREAD_PX:
            step = min(reached + 1, _SPREAD_PX - reached)
            wide = np.maximum(wide, np.maximum(_shifted(wide, step, axis), _shifted(wide, -step, axis)))
            reached += step
    return np.asarray(Image.fromarray(wide).filter(ImageFilter.BoxBlur(_FADE_PX)))


def _shifted(mask: Mask, by: int, axis: int) -> Mask:
    """Moved along an axis; zeros come in."""
    moved = np.zeros_like(mask)
    length = mask.shape[axis]
    source = [slice(None)] * mask.ndim
    target = [slice(None)] * mask.ndim
    source[axis] = slice(max(0, -by), max(0, length - max(0, by)))
    target[axis] = slice(max(0, by), max(0, length - max(0, -by)))
    if abs(by) < length:
        moved[tuple(target)] = mask[tuple(source)]
    return moved


def _enlarged(piece: NDArray[np.uint8], tile: tiles.Tile, scale: int, how: Image.Resampling) -> NDArray[np.uint8]:
    """A tile's piece, enlarged with its context and cut to the tile."""
    height, width = piece.shape[:2]
    large = np.asarray(Image.fromarray(piece).resize((width * scale, height * scale), how))
    top, bottom, left, right = (scale * side for side in tile.halo)
    return large[top : large.shape[0] - bottom, left : large.shape[1] - right]
