"""Measures how soon an act changes the suggestions: POST of the act to the first GET that knows it, on a live stack."""

import os
import statistics
import time
from itertools import cycle, islice
from typing import Any

import httpx

from tests.bench._stack import signed_in

BAR_S = 1.0
ACTS = 10 if os.environ.get("QUICK") else 50
HABIT = ("open_board", "draw", "text", "arrow", "rectangle", "draw", "arrow")
POLL_S = 0.01
GIVE_UP_S = 10.0


def measure(ada: httpx.Client) -> tuple[list[float], list[float]]:
    """Seconds from act to changed suggestions, and seconds of a GET."""
    workspace = ada.get("/api/v1/me").json()["workspaces"][0]["id"]
    project = ada.get(f"/api/v1/workspaces/{workspace}/projects").json()["items"][0]["id"]
    address = f"/api/v1/projects/{project}"
    changed, asked = [], []
    for tool in islice(cycle(HABIT), ACTS):
        before = ada.get(f"{address}/suggestions").json()["as_of"]
        began = time.perf_counter()
        ada.post(f"{address}/acts", json={"tool": tool}).raise_for_status()
        while True:
            sent = time.perf_counter()
            answer = ada.get(f"{address}/suggestions").raise_for_status().json()
            now = time.perf_counter()
            asked.append(now - sent)
            if answer["as_of"] > before or now - began > GIVE_UP_S:
                changed.append(now - began)
                break
            time.sleep(POLL_S)
        time.sleep(0.2)  # hands are not faster, and the next act finds the learner at rest
    return changed, asked


def rows() -> list[dict[str, Any]]:
    with signed_in(without=("triton", "worker")) as ada:
        changed, asked = measure(ada)
    p95 = statistics.quantiles(changed, n=20)[-1]
    return [
        _row(f"act to changed suggestions, p95 of {len(changed)}", p95, bar=f"<= {BAR_S}", ok=p95 <= BAR_S),
        _row("act to changed suggestions, p50", statistics.median(changed)),
        _row("act to changed suggestions, slowest", max(changed)),
        _row("GET suggestions, p50", statistics.median(asked)),
    ]


def _row(name: str, value_s: float, *, bar: str | None = None, ok: bool | None = None) -> dict[str, Any]:
    return {"name": name, "value": round(value_s, 4), "unit": "s", "bar": bar, "ok": ok, "beside": None}
