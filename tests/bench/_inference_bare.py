"""What a person would write without a studio: read, decode, enhance, encode, one file after another, in one process.

Given files; for each count that comes on standard input it works through so many and answers with the seconds.
"""

import itertools
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyvips
import torch

from inference import tiles
from inference.networks import dtypes
from inference.networks.span import Span
from tests.bench import inference_quality as quality
from tests.bench.inference_compute import bare, keep_heap


def enhance(network: Span, path: Path) -> bytes:
    pixels: tiles.Picture = pyvips.Image.jpegload_buffer(path.read_bytes()).numpy()
    result = bare(network, pixels)
    height, width = result.shape[:2]
    image = pyvips.Image.new_from_memory(np.ascontiguousarray(result).data, width, height, 3, "uchar")
    encoded: bytes = image.copy(interpretation="srgb").jpegsave_buffer(Q=92, keep="none")
    return encoded


def main() -> None:
    keep_heap()
    files = [Path(argument) for argument in sys.argv[1:]]
    with tempfile.TemporaryDirectory() as folder:
        network = quality.network(Path(folder), getattr(torch, dtypes.best(on_gpu=False)))
        for line in sys.stdin:
            began = time.perf_counter()
            for path in itertools.islice(itertools.cycle(files), int(line)):
                enhance(network, path)
            print(time.perf_counter() - began, flush=True)


if __name__ == "__main__":
    main()
