"""Measures the queue with 100,000 jobs in it, of 600 people in 200 workspaces: a claim, and a submit through the API.

No worker runs: claims are made one after another by the worker's own function, each in its transactions.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from typing import Any

import httpx
import psycopg

from backend.embedded.plan import Plan
from tests.bench._stack import environment, scratch

QUICK = bool(os.environ.get("QUICK"))
CLAIMS, SUBMITS = (100, 100) if QUICK else (1000, 1000)
CLAIM_BAR_MS, SUBMIT_BAR_MS = 5.0, 25.0
# One job for each asset, a fifth of them by the interactive lane; estimates as uneven as pictures are.
QUEUE = """
INSERT INTO generations_job (id, workspace_id, project_id, person_id, task, task_version, parameters, input_asset_id,
    traceparent, state, attempt, losses, staged, progress_done, progress_total, estimate_us, lane)
SELECT uuidv7(), workspace_id, project_id, created_by_id, 'enhance', '1', '{}', id, '', 'queued', 0, 0, '[]', 0, 0,
    (100000 * exp(3 * random()))::bigint, CASE WHEN random() < 0.2 THEN 'interactive' ELSE 'batch' END
FROM assets_asset
"""


def _fill(plan: Plan) -> list[dict[str, Any]]:
    argv = [sys.executable, "-m", "tests.bench._api_data", plan.database_url("superuser")]
    made = subprocess.run(argv, env=environment(plan), capture_output=True, check=True, text=True)
    with psycopg.connect(plan.database_url("superuser"), autocommit=True) as connection:
        connection.execute(QUEUE)
        connection.execute("VACUUM ANALYZE generations_job")
        connection.execute("CHECKPOINT")  # else what filling has left to be written delays commits meanwhile
    rooms: list[dict[str, Any]] = json.loads(made.stdout)
    return rooms


def _claims(plan: Plan) -> list[float]:
    """Milliseconds of each."""
    code = (
        "import django, json, time; django.setup()\n"
        "from backend.generations.claiming import claim_next\n"
        "times = []\n"
        f"for _ in range({CLAIMS}):\n"
        "    began = time.perf_counter(); assert claim_next(); times.append(1e3 * (time.perf_counter() - began))\n"
        "print(json.dumps(times))"
    )
    run = subprocess.run([sys.executable, "-c", code], env=environment(plan), stdout=subprocess.PIPE, check=True)
    times: list[float] = json.loads(run.stdout.splitlines()[-1])
    return times


def _submits(url: str, rooms: list[dict[str, Any]]) -> list[float]:
    """Milliseconds of each, of one client whose connection stays open."""
    times = []
    with httpx.Client(base_url=url, timeout=30.0, headers={"Origin": url, "X-CSRFToken": "b" * 32}) as client:
        for number in range(SUBMITS):
            room = rooms[number % len(rooms)]
            client.cookies = httpx.Cookies({"sessionid": room["session"], "csrftoken": "b" * 32})
            project = f"/api/v1/projects/{room['project']}"
            if "asset" not in room:
                found = client.get(f"{project}/assets", params={"limit": 1}).raise_for_status().json()["items"]
                room["asset"] = found[0]["id"]
            began = time.perf_counter()
            client.post(f"{project}/jobs", json={"task": "enhance", "input_asset_id": room["asset"]}).raise_for_status()
            times.append(1e3 * (time.perf_counter() - began))
    return times


def rows() -> list[dict[str, Any]]:
    with scratch(without=("triton", "worker", "learner")) as supervisor:
        rooms = _fill(supervisor.plan)
        claims = _claims(supervisor.plan)
        submits = _submits(supervisor.plan.url, rooms)
    return [
        *_row("claim, 100,000 queued", claims, CLAIM_BAR_MS),
        *_row("submit through the API, 100,000 queued", submits, SUBMIT_BAR_MS),
    ]


def _row(name: str, times: list[float], bar_ms: float) -> list[dict[str, Any]]:
    times = sorted(times[10:])  # the first ones open connections
    p99 = times[int(0.99 * len(times))]
    row = {"name": f"{name}, p99", "value": round(p99, 2), "unit": "ms", "bar": f"<= {bar_ms:g}", "ok": p99 <= bar_ms}
    return [{**row, "beside": f"p50 {statistics.median(times):.2f} ms, of {len(times)}"}]
