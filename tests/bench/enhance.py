"""Measures *Enhance ×2* of a 512 x 512 JPEG to JPEG through the whole studio, one at a time, beside its bare compute.

Whole: from the POST of the job to the last byte of the result, told by the event stream and read from S3, on a stack of
its own. Bare: the same network, dtype and tiles in this process, on the same decoded picture. The two take turns, so
that both meet the same machine. Run it alone: with other work on the machine the medians mean little.
"""

import hashlib
import io
import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Before torch starts its threads, and as for all processes of the stack: spinning makes them fight for two cores.
os.environ.update(OMP_WAIT_POLICY="passive", GOMP_SPINCOUNT="0")

import httpx
import numpy as np
from PIL import Image

from tests.bench import inference_quality as quality
from tests.bench._stack import signed_in
from tests.bench.inference_compute import bare, keep_heap

WHOLE_BAR_S, ADDED_BAR_MS = 2.5, 150.0
RUNS = 8 if os.environ.get("QUICK") else 20


def photograph() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(quality.photograph("astronaut")).save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def upload(ada: httpx.Client, project: str, data: bytes) -> str:
    """The asset's id."""
    announced = {
        "filename": "astronaut.jpg",
        "size_bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "media_type": "image/jpeg",
    }
    started = ada.post(f"{project}/uploads", json=announced).raise_for_status().json()
    httpx.put(started["url"], content=data, headers=started["headers"]).raise_for_status()
    asset = ada.post(f"/api/v1/uploads/{started['id']}/finish").raise_for_status().json()
    return str(asset["id"])


def enhance(ada: httpx.Client, project: str, asset_id: str, events: Iterator[str]) -> tuple[float, dict[str, float]]:
    """Seconds of the whole, and of its parts. The client keeps its connection, as a browser does."""
    began = time.perf_counter()
    body = {"task": "enhance", "input_asset_id": asset_id, "parameters": {"scale": 2}}
    job = ada.post(f"{project}/jobs", json=body).raise_for_status().json()
    accepted = time.perf_counter()
    made: dict[str, Any] = {}
    kind = ""
    for line in events:
        name, _, value = line.partition(": ")
        if name == "event":
            kind = value
        elif name == "data" and kind == "asset":
            made = json.loads(value)
        elif name == "data" and kind == "job":
            job = json.loads(value)
            if job["finished_at"]:
                break
    told = time.perf_counter()
    if job["state"] != "succeeded":
        raise RuntimeError(f"the job ended as {job['state']}: {job['error']}")
    ada.get(made["renditions"]["original"]["url"]).raise_for_status()
    done = time.perf_counter()
    return done - began, {"accepted": accepted - began, "read": done - told, "compute": job["compute_s"]}


def rows() -> list[dict[str, Any]]:
    keep_heap()
    photo = photograph()
    pixels = np.asarray(Image.open(io.BytesIO(photo)).convert("RGB"))
    with tempfile.TemporaryDirectory() as folder:
        span = quality.network(Path(folder))
    wholes, bares, parts = [], [], []
    with signed_in(without=("learner",)) as ada:
        workspace = ada.get("/api/v1/me").raise_for_status().json()["workspaces"][0]["id"]
        project = f"/api/v1/projects/{ada.get(f'/api/v1/workspaces/{workspace}/projects').json()['items'][0]['id']}"
        asset_id = upload(ada, project, photo)
        with ada.stream("GET", f"{project}/events") as stream:
            events = stream.iter_lines()
            enhance(ada, project, asset_id, events)  # warm
            bare(span, pixels)
            for _ in range(RUNS):
                whole_s, part_s = enhance(ada, project, asset_id, events)
                wholes.append(whole_s)
                parts.append(part_s)
                began = time.perf_counter()
                bare(span, pixels)
                bares.append(time.perf_counter() - began)
    return _report(wholes, bares, parts)


def _report(wholes: list[float], bares: list[float], parts: list[dict[str, float]]) -> list[dict[str, Any]]:
    whole_s = statistics.median(wholes)
    added_ms = 1e3 * statistics.median(whole - lone for whole, lone in zip(wholes, bares, strict=True))
    beyond_ms = 1e3 * statistics.median(w - part["compute"] for w, part in zip(wholes, parts, strict=True))
    return [
        _row("enhance 512² JPEG to JPEG, p50", whole_s, "s", bar=WHOLE_BAR_S, beside=_spread(wholes)),
        _row("the same network bare, p50", statistics.median(bares), "s", beside=_spread(bares)),
        _row("added to the bare compute, p50", added_ms, "ms", bar=ADDED_BAR_MS),
        _row("beyond the compute that the job was charged, p50", beyond_ms, "ms"),
        _row("of it: POST to 202, p50", 1e3 * statistics.median(part["accepted"] for part in parts), "ms"),
        _row("of it: reading the result, p50", 1e3 * statistics.median(part["read"] for part in parts), "ms"),
    ]


def _spread(seconds: list[float]) -> str:
    return f"{min(seconds):.3f} to {max(seconds):.3f} s over {len(seconds)} runs"


def _row(name: str, value: float, unit: str, *, bar: float | None = None, beside: str | None = None) -> dict[str, Any]:
    limit, ok = (f"<= {bar:g}", value <= bar) if bar is not None else (None, None)
    return {"name": name, "value": round(value, 3), "unit": unit, "bar": limit, "ok": ok, "beside": beside}
