"""Measures what a recipe of three steps takes as one job, beside the same three as jobs one after another, each asked
for when the one before it has ended, as a canvas of Celery's would run them; and what a change of its last step takes.
"""

import io
import statistics
import time
from typing import Any

import httpx
import numpy as np
from PIL import Image

from tests.bench import inference_quality as quality
from tests.bench._followed import Followed
from tests.bench._stack import signed_in
from tests.bench.enhance import upload

ROUNDS = 5
SIDE_PX = 512
STEPS: list[dict[str, Any]] = [
    {"task": "denoise", "parameters": {"strength": 15}},
    {"task": "enhance", "parameters": {}},
    {"task": "canny", "parameters": {}},
]


def rows() -> list[dict[str, Any]]:
    one, chain, changed, computed = list[float](), list[float](), list[float](), list[float]()
    with signed_in(without=("learner",)) as client:
        workspace = client.get("/api/v1/me").raise_for_status().json()["workspaces"][0]["id"]
        found = client.get(f"/api/v1/workspaces/{workspace}/projects").raise_for_status().json()["items"]
        project = f"/api/v1/projects/{found[0]['id']}"
        followed = Followed(client, project)
        recipe = _post(client, f"/api/v1/workspaces/{workspace}/recipes", {"name": "Bench", "steps": STEPS})
        for number in range(ROUNDS + 1):  # the first loads the models
            asset = upload(client, project, _picture(number))
            took_s, ended = _run(client, followed, f"/api/v1/recipes/{recipe['id']}/run", {"input_asset_id": asset})
            one.append(took_s)
            computed.append(float(ended["compute_s"]))
            last = {**STEPS[2], "parameters": {"low_threshold": 50 + number}}
            _change(client, recipe["id"], [*STEPS[:2], last])
            body = {"input_asset_id": asset}
            changed.append(_run(client, followed, f"/api/v1/recipes/{recipe['id']}/run", body)[0])
            _change(client, recipe["id"], STEPS)
            chain.append(0.0)
            for step in STEPS:
                took_s, ended = _run(client, followed, f"{project}/jobs", {**step, "input_asset_id": asset})
                chain[-1] += took_s
                asset = ended["output_asset_id"]
    one_s, chain_s, changed_s = (statistics.median(several[1:]) for several in (one, chain, changed))
    compute_s = statistics.median(computed[1:])
    beside = f"{one_s:.2f} and {chain_s:.2f} s, compute {compute_s:.2f} s"
    return [
        _row("a recipe as one job, of three jobs", one_s / chain_s, "<= 1.1", one_s <= 1.1 * chain_s, beside),
        _row(
            "a recipe whose last step changed, of the whole", changed_s / one_s, "<= 0.5", changed_s <= one_s / 2, None
        ),
    ]


def _picture(number: int) -> bytes:
    """Another one each time, so that nothing of it is kept from the last."""
    buffer = io.BytesIO()
    pixels = np.roll(quality.photograph("astronaut")[:SIDE_PX, :SIDE_PX], 7 * number, 1)
    Image.fromarray(pixels).save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def _run(client: httpx.Client, followed: Followed, address: str, body: dict[str, Any]) -> tuple[float, dict[str, Any]]:
    """Seconds from asking until we heard that it has ended; and the job."""
    began = time.perf_counter()
    asked = _post(client, address, body)
    while True:
        ended, at = followed.next()
        if ended["id"] == asked["id"]:
            return at - began, ended


def _change(client: httpx.Client, recipe_id: str, steps: list[dict[str, Any]]) -> None:
    headers = {"If-Match": "*"}
    client.patch(f"/api/v1/recipes/{recipe_id}", json={"steps": steps}, headers=headers).raise_for_status()


def _post(client: httpx.Client, address: str, body: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = client.post(address, json=body).raise_for_status().json()
    return answer


def _row(name: str, value: float, bar: str, ok: bool, beside: str | None) -> dict[str, Any]:
    return {"name": name, "value": round(value, 3), "unit": "x", "bar": bar, "ok": ok, "beside": beside}
