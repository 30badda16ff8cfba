"""Measures *enhance* through the whole studio beside a bare PyTorch loop: pictures a second with 32 in flight, and what
one job that somebody waits for takes beyond its compute.

PARTS="mixed" plays that part alone: a mixed load beside four Celery workers, LitServe and Ray Serve (see
`_inference_mixed`); PARTS="swap" what loading a model costs others; PARTS="recipes" three steps as one job beside three
jobs; PARTS="studio" all else.

Whole: from the POST of a job to the event that tells of its result, which lies in S3. Bare: one process that reads,
decodes, enhances and encodes the same files one after another with the same network, dtype and tiles on all cores. The
two take turns. Run it alone: with other work on the machine the figures mean little.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.bench import _inference_large as large
from tests.bench import _inference_mixed as mixed
from tests.bench import _inference_recipes as recipes
from tests.bench import _inference_swap as swap
from tests.bench._followed import Followed
from tests.bench._memory import of_worker, watched
from tests.bench._pictures import SIDES, megapixels, photographs, single_tile
from tests.bench._stack import signed_in
from tests.bench.enhance import upload

QUICK = bool(os.environ.get("QUICK"))
IN_FLIGHT, ROUNDS = 32, 1 if QUICK else 3
JOBS = 48 if QUICK else 96  # of a round
JOBS_HELD = 6  # by one worker of one person: JOBS_AT_ONCE_PERSON
ALONE = 20 if QUICK else 100


def through(client: httpx.Client, project: str, assets: list[str], followed: Followed, count: int) -> float:
    """Seconds for `count` jobs, IN_FLIGHT at once."""
    began, asked, done = time.perf_counter(), 0, set[str]()
    while len(done) < count:
        while asked < count and asked - len(done) < IN_FLIGHT:
            submit(client, project, assets[asked % len(assets)])
            asked += 1
        done.add(followed.next()[0]["id"])
    return time.perf_counter() - began


def submit(client: httpx.Client, project: str, asset_id: str) -> dict[str, Any]:
    body = {"task": "enhance", "input_asset_id": asset_id}
    job: dict[str, Any] = client.post(f"{project}/jobs", json=body).raise_for_status().json()
    return job


def alone(client: httpx.Client, project: str, asset_id: str, followed: Followed) -> float:
    """Seconds that one job took beyond the compute that it was charged."""
    began = time.perf_counter()
    job = submit(client, project, asset_id)
    while True:
        ended, at = followed.next()
        if ended["id"] == job["id"]:
            return at - began - float(ended["compute_s"])


@contextmanager
def bare(files: list[Path]) -> Iterator["subprocess.Popen[str]"]:
    """The loop, ready: it takes a count on its standard input and answers with seconds."""
    environment = {**os.environ, "OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0"}
    argv = [sys.executable, "-m", "tests.bench._inference_bare", *map(str, files)]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def ask(process: "subprocess.Popen[str]", count: int) -> float:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{count}\n")
    process.stdin.flush()
    return float(process.stdout.readline())


def total(files: list[Path], count: int) -> float:
    """Megapixels of so many, one after another and again from the first."""
    sizes = [megapixels(path) for path in files]
    return sum(sizes[number % len(sizes)] for number in range(count))


def studio() -> list[dict[str, Any]]:
    ours, theirs, beyond = list[float](), list[float](), list[float]()
    with tempfile.TemporaryDirectory() as folder:
        files = photographs(Path(folder))
        with bare(files) as loop, signed_in(without=("learner",)) as client:
            workspace = client.get("/api/v1/me").raise_for_status().json()["workspaces"][0]["id"]
            found = client.get(f"/api/v1/workspaces/{workspace}/projects").raise_for_status().json()["items"]
            project = f"/api/v1/projects/{found[0]['id']}"
            assets = [upload(client, project, path.read_bytes()) for path in files]
            followed = Followed(client, project)
            with watched() as at_rest:
                through(client, project, assets, followed, 1)  # warm
            ask(loop, 4)
            for _ in range(ROUNDS):
                with watched() as most:
                    ours.append(total(files, JOBS) / through(client, project, assets, followed, JOBS))
                theirs.append(total(files, JOBS) / ask(loop, JOBS))
                print(f"ours {ours[-1]:.3f}, bare {theirs[-1]:.3f} megapixels/s", file=sys.stderr)
            small = upload(client, project, single_tile(Path(folder)).read_bytes())
            beyond = [1e3 * alone(client, project, small, followed) for _ in range(ALONE)]
            large_rows = large.measured(client, project, lambda: followed.next(1800.0), Path(folder))
    return [*_report(ours, theirs, beyond), _memory(of_worker(most) - of_worker(at_rest)), *large_rows]


def _report(ours: list[float], theirs: list[float], beyond: list[float]) -> list[dict[str, Any]]:
    ratio = statistics.median(one / other for one, other in zip(ours, theirs, strict=True))
    beside = f"{statistics.median(ours):.3f} and {statistics.median(theirs):.3f} megapixels/s"
    p50, p99 = statistics.median(beyond), sorted(beyond)[int(0.99 * len(beyond))]
    return [
        {
            "name": f"enhance with {IN_FLIGHT} in flight, of a bare loop",
            "value": round(ratio, 3),
            "unit": "x",
            "bar": ">= 0.9",
            "ok": ratio >= 0.9,
            "beside": beside,
        },
        _ms("one job, beyond its compute, p50", p50, 60),
        _ms("one job, beyond its compute, p99", p99, 150),
    ]


def _memory(more: float) -> dict[str, Any]:
    """Of a worker that holds as many jobs as it may, beside one that holds one."""
    picture = max(width * height for width, height in SIDES) * 3 * (1 + 4)  # read, and enlarged
    each = more / (JOBS_HELD - 1) - picture
    row = {"name": f"worker's memory for a job in flight, beyond its picture, {JOBS_HELD} held", "unit": "MB"}
    beside = f"{more / 1e6:.0f} MB more than with one job; a picture has {picture / 1e6:.0f} MB"
    return {**row, "value": round(each / 1e6, 1), "bar": "<= 30", "ok": each <= 30e6, "beside": beside}


def _ms(name: str, value: float, bar: float) -> dict[str, Any]:
    row = {"name": name, "value": round(value, 1), "unit": "ms", "bar": f"<= {bar:g}", "ok": value <= bar}
    return {**row, "beside": None}


def swapped() -> list[dict[str, Any]]:
    return swap.rows(rounds=3 if QUICK else 10)


PARTS: dict[str, Callable[[], list[dict[str, Any]]]] = {
    "studio": studio,
    "mixed": mixed.rows,
    "swap": swapped,
    "recipes": recipes.rows,
}


def rows() -> list[dict[str, Any]]:
    return [row for name in os.environ.get("PARTS", "").split() or PARTS for row in PARTS[name]()]
