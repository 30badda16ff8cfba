"""Measures a picture that is larger than memory should be: done, in how little memory, and without a seam."""

import io
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyvips
from PIL import Image

from inference.models import SPAN_X2
from inference.networks.span import Span
from tests.bench import inference_quality as quality
from tests.bench._memory import watched
from tests.bench.enhance import upload

SIDE_PX = 5_000 if os.environ.get("QUICK") else 10_000
MEMORY_BAR_GB, SEAM_BAR = 1.5, 2.0
AROUND_PX = 160  # of the excerpts that are compared


def scan() -> bytes:
    """A JPEG of SIDE_PX², as of a wall hung with photographs."""
    pictures = [picture for _, picture in quality.photographs()]
    wall = Image.new("RGB", (SIDE_PX, SIDE_PX))
    side, at = 1_000, 0
    for top in range(0, SIDE_PX, side):
        for left in range(0, SIDE_PX, side):
            picture = Image.fromarray(pictures[at % len(pictures)]).resize((side, side), Image.Resampling.LANCZOS)
            wall.paste(picture, (left, top))
            at += 1
    buffer = io.BytesIO()
    wall.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def seam(source: bytes, result: bytes, network: Span) -> float:
    """How much more the result differs from the network's own answer along the tiles' borders than elsewhere, in steps
    of 255. Round the borders between the tiles of a column, in the middle of the picture.
    """
    picture = pyvips.Image.new_from_buffer(source, "")
    made = pyvips.Image.new_from_buffer(result, "")
    tiles = SPAN_X2.plan(width=SIDE_PX, height=SIDE_PX)
    columns = sorted({tile.columns.start for tile in tiles})[10:14]
    top = SIDE_PX // 2
    along, elsewhere = [], []
    for column in columns:
        box = (column - AROUND_PX, top - AROUND_PX, 2 * AROUND_PX, 2 * AROUND_PX)
        expected = quality.enhanced(network, picture.crop(*box).numpy())
        error = np.abs(made.crop(*(2 * side for side in box)).numpy().astype(float) - expected).mean(axis=(0, 2))
        inner = error[2 * SPAN_X2.halo_px : -2 * SPAN_X2.halo_px]  # beyond, the excerpt sees less than the picture
        middle = len(inner) // 2
        along.append(inner[middle - 1 : middle + 1].mean())
        elsewhere.append(np.delete(inner, [middle - 1, middle]).mean())
    return float(max(0.0, np.mean(along) - np.mean(elsewhere)))


def measured(
    client: httpx.Client, project: str, next_ended: Callable[[], tuple[dict[str, Any], float]], folder: Path
) -> list[dict[str, Any]]:
    """Enhance a picture of SIDE_PX² and look at the result and at the processes' memory meanwhile."""
    source = scan()
    asset_id = upload(client, project, source)
    began = time.perf_counter()
    with watched() as most:
        client.post(f"{project}/jobs", json={"task": "enhance", "input_asset_id": asset_id}).raise_for_status()
        ended, at = next_ended()
    assert ended["state"] == "succeeded", ended
    asset = client.get(f"/api/v1/assets/{ended['output_asset_id']}").raise_for_status().json()
    result = client.get(asset["renditions"]["original"]["url"], timeout=120.0).raise_for_status().content
    assert (asset["width"], asset["height"]) == (2 * SIDE_PX, 2 * SIDE_PX), asset
    name, most_bytes = max(most.items(), key=lambda item: item[1])
    used = most_bytes / 1e9
    step = seam(source, result, quality.network(folder))
    what = f"{SIDE_PX**2 / 1e6:.0f} megapixels enhanced"
    return [
        {
            "name": f"{what}: memory of the largest process",
            "value": round(used, 2),
            "unit": "GB",
            "bar": f"<= {MEMORY_BAR_GB:g}",
            "ok": used <= MEMORY_BAR_GB,
            "beside": f"{name}; done in {at - began:.0f} s, {len(result) / 1e6:.0f} MB",
        },
        {
            "name": f"{what}: a seam",
            "value": round(step, 2),
            "unit": "of 255",
            "bar": f"<= {SEAM_BAR:g}",
            "ok": step <= SEAM_BAR,
            "beside": "mean difference from the untiled network along the tiles' borders, less that elsewhere",
        },
    ]
