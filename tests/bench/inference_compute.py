"""Measures *enhance* without the rest of the stack: bare compute, what Triton and the client add, tile sizes, memory.

Bare is the same network, dtype and tiles in this process. `rows()` starts a tritonserver of its own.
Run it alone: with other work on the machine the medians mean little.
"""

import ctypes
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch

from inference import tiles
from inference.client import Client
from inference.contracts import EnhanceParameters
from inference.models import SPAN_X2
from inference.networks.span import Span
from inference.runs import Result
from tests.bench import inference_quality as quality
from tests.inference.tritonserver import Triton, await_ready

REPEATS = 5
TILE_SIZES = (128, 192, 256, 320, 512)
IDLE_S = 8.0  # the model gives its heap back after five


def keep_heap() -> None:
    """Let the allocator keep what it has, as in the model's process; else the bare loop pays page faults."""
    libc = ctypes.CDLL(None)
    for option in (-3, -1):  # M_MMAP_THRESHOLD, M_TRIM_THRESHOLD: see mallopt(3)
        libc.mallopt(option, 1 << 30)


def bare(span: Span, picture: tiles.Picture, *, tile_px: int = SPAN_X2.tile_px) -> tiles.Picture:
    """What a plain loop over the tiles gives."""
    height, width = picture.shape[:2]
    canvas = np.empty((height * span.scale, width * span.scale, 3), np.uint8)
    for tile in tiles.plan(width=width, height=height, tile_px=tile_px, halo_px=SPAN_X2.halo_px):
        answer, _doubt = span.run(torch.from_numpy(tiles.cut(picture, tile)), tile.halo)
        tiles.place(canvas, tile, answer.numpy(), scale=span.scale)
    return canvas


def enhance(client: Client, picture: tiles.Picture) -> Result:
    return client.run(
        "enhance",
        picture,
        EnhanceParameters(),
        on_progress=lambda now: None,
        cancelled=lambda: False,
        timeout_s=120.0,
    )


def rows() -> list[dict[str, Any]]:
    picture = quality.photograph("astronaut")  # 512 x 512
    found: list[dict[str, Any]] = []
    keep_heap()
    with _triton() as (triton, client, start_s):
        seconds, added = _through_triton(client, picture)
        found += [
            _row("start of Triton to a loaded model", start_s, "s"),
            _row("enhance 512² through Triton, p50", statistics.median(seconds), "s", beside=_spread(seconds)),
            _row(
                "added to the model's compute, p50", 1e3 * statistics.median(added), "ms", bar=40, beside=_spread(added)
            ),
            _row("Triton and its model under load, PSS", _pss_mb(triton), "MB"),
        ]
        time.sleep(IDLE_S)
        found.append(_row("Triton and its model at rest, PSS", _pss_mb(triton), "MB"))
    with tempfile.TemporaryDirectory() as folder:
        span = quality.network(Path(folder))
    for tile_px in TILE_SIZES:
        seconds = _timed(partial(bare, span, picture, tile_px=tile_px))
        found.append(
            _row(f"bare 512² by tiles of {tile_px}, p50", statistics.median(seconds), "s", beside=_spread(seconds))
        )
    return found


@contextmanager
def _triton() -> Iterator[tuple[Triton, Client, float]]:
    with tempfile.TemporaryDirectory() as folder:
        triton = Triton(Path(folder))
        triton.start()
        client = Client(triton.url, in_flight=3)
        try:
            yield triton, client, await_ready(client)
        finally:
            client.close()
            triton.stop()


def _through_triton(client: Client, picture: tiles.Picture) -> tuple[list[float], list[float]]:
    """Seconds of whole runs, and of what each took beyond the model's own compute."""
    computed: list[float] = []
    seconds = _timed(lambda: computed.append(enhance(client, picture).compute_s))
    return seconds, [whole - compute for whole, compute in zip(seconds, computed[1:], strict=True)]


def _timed(work: Callable[[], object]) -> list[float]:
    work()  # warm
    seconds = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return seconds


def _pss_mb(triton: Triton) -> float:
    assert triton.process is not None
    server = psutil.Process(triton.process.pid)
    every = (server, *server.children(recursive=True))
    return float(sum(process.memory_full_info().pss for process in every)) / 1e6


def _spread(seconds: list[float]) -> str:
    return f"{min(seconds):.3f} to {max(seconds):.3f} s over {len(seconds)} runs"


def _row(name: str, value: float, unit: str, *, bar: float | None = None, beside: str = "") -> dict[str, Any]:
    limit, ok = (f"<= {bar}", value <= bar) if bar is not None else (None, None)
    return {"name": name, "value": round(value, 3), "unit": unit, "bar": limit, "ok": ok, "beside": beside}


if __name__ == "__main__":
    for row in rows():
        print(row)
