"""Measures what *enhance* is worth: PSNR on Y beside bicubic, on photographs that come with the test libraries.

Reduced by bicubic ÷2, enlarged again, 4 pixels of border cut. `rows()` is what `make bench NAME=quality` prints.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from skimage import data
from sklearn.datasets import load_sample_images

from inference import mending
from inference.models import SPAN_X2
from inference.networks import weights
from inference.networks.span import Span

BAR_DB = 2.5
BORDER_PX = 4

Picture = NDArray[np.uint8]


def photographs() -> Iterator[tuple[str, Picture]]:
    """Name and (H, W, 3) uint8 RGB, even in both sides. Nothing is fetched: the wheels carry these."""
    for name in ("astronaut", "chelsea", "coffee", "rocket"):
        yield name, _even(getattr(data, name)())
    samples = load_sample_images()
    for path, picture in zip(samples.filenames, samples.images, strict=True):
        yield Path(path).stem, _even(picture)


def photograph(name: str) -> Picture:
    return dict(photographs())[name]


def reduced(picture: Picture) -> Picture:
    height, width = picture.shape[:2]
    return np.asarray(Image.fromarray(picture).resize((width // 2, height // 2), Image.Resampling.BICUBIC))


def bicubic(picture: Picture) -> Picture:
    height, width = picture.shape[:2]
    return np.asarray(Image.fromarray(picture).resize((width * 2, height * 2), Image.Resampling.BICUBIC))


def psnr_y_db(reference: Picture, other: Picture) -> float:
    """On the luma of ITU-R BT.601, as papers on super-resolution give it."""
    error = (_luma(reference) - _luma(other))[BORDER_PX:-BORDER_PX, BORDER_PX:-BORDER_PX]
    return float(10 * np.log10(255.0**2 / np.mean(error**2)))


def network(folder: Path, dtype: torch.dtype = torch.float32) -> Span:
    return Span.load(weights.prepare(SPAN_X2, folder).path, device=torch.device("cpu"), dtype=dtype)


def enhanced(span: Span, picture: Picture) -> Picture:
    """In one piece, and mended as the client does."""
    result, doubt = (tensor.numpy() for tensor in span.run(torch.from_numpy(picture.copy())))
    mending.mend(picture, result, doubt, scale=span.scale)
    return result


def rows() -> list[dict[str, Any]]:
    """The mean gain, which has the bar (as papers on super-resolution give a set's mean), and each photograph's."""
    with tempfile.TemporaryDirectory() as folder:
        span = network(Path(folder))
    found = []
    for name, picture in photographs():
        small = reduced(picture)
        ours, theirs = psnr_y_db(picture, enhanced(span, small)), psnr_y_db(picture, bicubic(small))
        found.append(
            _row(f"enhance, {name}", ours - theirs, bar=None, beside=f"{ours:.2f} dB; bicubic {theirs:.2f} dB")
        )
    mean = float(np.mean([row["value"] for row in found]))
    above = sum(row["value"] >= BAR_DB for row in found)
    total = f"PSNR on Y over bicubic; {above} of {len(found)} photographs reach the bar by themselves"
    return [_row("enhance, mean", mean, bar=BAR_DB, beside=total), *found]


def _row(name: str, gain_db: float, *, bar: float | None, beside: str) -> dict[str, Any]:
    limit, ok = (f">= {bar}", gain_db >= bar) if bar is not None else (None, None)
    return {"name": name, "value": round(gain_db, 2), "unit": "dB", "bar": limit, "ok": ok, "beside": beside}


def _luma(picture: Picture) -> NDArray[np.float64]:
    luma: NDArray[np.float64] = 16.0 + picture @ np.array([65.481, 128.553, 24.966]) / 255.0
    return luma


def _even(picture: Picture) -> Picture:
    height, width = picture.shape[:2]
    return picture[: height // 2 * 2, : width // 2 * 2]


if __name__ == "__main__":
    for row in rows():
        print(row)
