"""Measures how strong the noise of a photograph is. Pure: numpy alone.

A mask that is blind to planes and edges, over blocks; what is left in the calmest of them is noise and not texture.
Source: Immerkær 1996, "Fast Noise Variance Estimation", Computer Vision and Image Understanding 64(2); by blocks, and
of these a low quantile, since over the whole picture it takes texture for noise.
"""

import numpy as np

from inference.tiles import Picture

MIN_SIGMA, MAX_SIGMA = 1.0, 75.0  # steps of 255: what the network was trained for
_BLOCK_PX = 34  # 32 with the mask's reach
_MOST_BLOCKS = 1024
_CALM = 0.1  # that share of the blocks is thought to hold noise alone
_CLIPPED = 0.05  # where more pixels are black or white the noise is cut off; but half of the blocks always count


def estimate_sigma(picture: Picture) -> float:
    """The standard deviation of the noise in (H, W, 3) uint8, as the mean of its channels, in steps of 255.

    Between MIN_SIGMA and MAX_SIGMA, whatever the picture is.
    """
    height, width = picture.shape[:2]
    side = min(_BLOCK_PX, height, width)
    if side < 3:
        return MIN_SIGMA
    blocks = [picture[top : top + side, left : left + side] for top, left in _places(height, width, side)]
    clipped = np.array([np.mean((block == 0) | (block == 255)) for block in blocks])
    whole = clipped <= max(_CLIPPED, float(np.median(clipped)))
    found = [_of_block(block.astype(np.int32)) for block, counts in zip(blocks, whole, strict=True) if counts]
    return min(max(float(np.quantile(found, _CALM)), MIN_SIGMA), MAX_SIGMA)


def _places(height: int, width: int, side: int) -> list[tuple[int, int]]:
    """Corners of blocks, evenly over the picture."""
    step = max(side, int((height * width / _MOST_BLOCKS) ** 0.5))
    return [(top, left) for top in range(0, height - side + 1, step) for left in range(0, width - side + 1, step)]


def _of_block(block: np.ndarray[tuple[int, ...], np.dtype[np.int32]]) -> float:
    across = block[:, :-2] - 2 * block[:, 1:-1] + block[:, 2:]
    both = across[:-2] - 2 * across[1:-1] + across[2:]  # [1 -2 1] x [1 -2 1]: six times the noise
    return float(np.sqrt(np.pi / 2) * np.abs(both).mean() / 6)
