"""Measures what it costs others to load a model: how much later an interactive tile of a loaded one is done meanwhile,
and how much longer the first tile of the new one takes than its later ones.

On a tritonserver of its own and through our client alone, so that what is seen is Triton's and the models'.
"""

import statistics
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel

from inference import server
from inference.client import Client
from inference.contracts import EdgesParameters, EnhanceParameters
from inference.models import HED
from tests.bench import inference_quality as quality
from tests.inference.tritonserver import Triton, await_ready

SIDE_PX = 256  # one tile
LATER_BAR_MS, FIRST_BAR = 100.0, 1.2


class _Asker:
    """Somebody who has one tile after another enhanced."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._picture = np.ascontiguousarray(quality.photograph("astronaut")[:SIDE_PX, :SIDE_PX])

    def ask(self, task: str, parameters: BaseModel) -> float:
        """Milliseconds."""
        began = time.perf_counter()
        self._client.run(
            task, self._picture, parameters, on_progress=lambda _: None, cancelled=lambda: False, timeout_s=120.0
        )
        return 1e3 * (time.perf_counter() - began)

    def enhance(self) -> float:
        return self.ask("enhance", EnhanceParameters())

    def edges(self) -> float:
        return self.ask("edges", EdgesParameters())


def rows(*, rounds: int) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        triton = Triton(Path(folder))
        server.build(Path(folder))
        triton.start()
        client = Client(triton.url, in_flight=3)
        try:
            await_ready(client)
            return _measured(client, rounds)
        finally:
            client.close()
            triton.stop()


def _measured(client: Client, rounds: int) -> list[dict[str, Any]]:
    asker, alone, meanwhile, first, loads = _Asker(client), list[float](), list[float](), list[float](), list[float]()
    for _ in range(5):
        asker.enhance()
    for _ in range(rounds):
        alone += [asker.enhance() for _ in range(10)]
        loading = threading.Thread(target=lambda: loads.append(_timed(client)))
        loading.start()
        while loading.is_alive():
            meanwhile.append(asker.enhance())
        loading.join()
        once, *later = [asker.edges() for _ in range(6)]
        first.append(once / statistics.median(later))
        client.unload(HED, timeout_s=60.0)
        time.sleep(1.0)
    p50 = [statistics.median(times) for times in (alone, meanwhile)]
    p95 = [statistics.quantiles(times, n=20)[-1] for times in (alone, meanwhile)]
    load_s = statistics.median(loads)
    said = f"p50 {p50[0]:.0f} and {p50[1]:.0f} ms, p95 {p95[0]:.0f} and {p95[1]:.0f}; a load takes {load_s:.1f} s"
    return [
        _row("a tile of a loaded model while another is loaded, later, p50", p50[1] - p50[0], "ms", LATER_BAR_MS, said),
        _row("the same, p95", p95[1] - p95[0], "ms", LATER_BAR_MS, f"of {len(meanwhile)} tiles"),
        _row("first tile after a load, of a later one", statistics.median(first), "x", FIRST_BAR, f"{rounds} loads"),
    ]


def _timed(client: Client) -> float:
    began = time.perf_counter()
    client.load(HED, timeout_s=120.0)
    return time.perf_counter() - began


def _row(name: str, value: float, unit: str, bar: float, beside: str) -> dict[str, Any]:
    return {
        "name": name,
        "value": round(value, 2),
        "unit": unit,
        "bar": f"<= {bar:g}",
        "ok": value <= bar,
        "beside": beside,
    }
