"""Hides the pictures that throughput is measured with."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from tests.bench import inference_quality as quality

SIDES = ((512, 512), (768, 512), (1024, 768), (640, 960))  # pixels: a scanned frame, a web picture, a phone's preview


def photographs(folder: Path, sides: Sequence[tuple[int, int]] = SIDES) -> list[Path]:
    """JPEGs of those sizes, cut from photographs and enlarged where they are smaller."""
    found = []
    for name, picture in quality.photographs():
        for width, height in sides:
            path = folder / f"{name}-{width}x{height}.jpg"
            Image.fromarray(picture).resize((width, height), Image.Resampling.LANCZOS).save(path, quality=92)
            found.append(path)
    return found


def single_tile(folder: Path) -> Path:
    """A picture that is one tile: of several, computed side by side, the time can't be told from their sum."""
    path = folder / "small.jpg"
    Image.fromarray(quality.photograph("astronaut")).resize((256, 256)).save(path, quality=92)
    return path


def megapixels(path: Path) -> float:
    with Image.open(path) as picture:
        return picture.width * picture.height / 1e6
