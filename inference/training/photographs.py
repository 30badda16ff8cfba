"""Fetches photographs to train on, by Debian's own client: `python -m inference.training.photographs FOLDER`.

Backgrounds of desktops, most of them CC BY or CC BY-SA; each package's `copyright` says whose. None is shipped.
"""

import argparse
import shutil
import subprocess
import tempfile
from pathlib import Path

PACKAGES = ("mate-backgrounds", "lomiri-wallpapers-16.04", "lomiri-wallpapers-20.04")
PATTERNS = ("mate/nature/*.jpg", "*_by_*.jpg")  # photographs; the others are drawn
TIMEOUT_S = 600


def fetch(folder: Path) -> int:
    """How many there are now."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        _run(scratch, "apt-get", "download", *PACKAGES)
        for package in Path(scratch).glob("*.deb"):
            _run(scratch, "dpkg", "-x", package.name, "unpacked")
        backgrounds = Path(scratch, "unpacked", "usr", "share", "backgrounds")
        for path in (found for pattern in PATTERNS for found in backgrounds.glob(pattern)):
            shutil.copy(path, folder)
    return len(list(folder.iterdir()))


def _run(folder: str, *argv: str) -> None:
    subprocess.run(argv, cwd=folder, check=True, timeout=TIMEOUT_S)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m inference.training.photographs")
    parser.add_argument("folder", type=Path)
    print(fetch(parser.parse_args().folder), "photographs")
