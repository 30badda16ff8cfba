"""Kills random processes of a stack two hundred times while people ask for jobs and cancel them; then looks if each
job that was acknowledged is there, has ended, and had its effect once.

QUICK=1 kills twenty times. SEED=… plays another draw.
"""

import os
import random
import secrets
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import psutil

from backend.core import ids
from tests.bench.enhance import upload
from tests.faults.stack import FaultStack, fault_stack
from tests.smoke.story import Person, StoryFailed, photo

QUICK = bool(os.environ.get("QUICK"))
KILLS = 20 if QUICK else 200
SEED = int(os.environ.get("SEED") or 1)
MODEL = "a model's process"
KILLED = ("web", "worker", "triton", MODEL, "valkey", "postgres")
APART_S = (0.3, 4.0)
STUCK_S = 90.0  # longer than a lost lease and the longest pause before a job is tried again
BATCH = 4
SIDES_PX = (48, 160, 420)  # one tile, and four
TASKS = ("enhance", "denoise")

JOBS = """
SELECT job.id, job.state, job.attempt, job.compute_us, job.error ->> 'code',
    (SELECT array_agg(compute_us) FROM assets_lineage made WHERE made.job_id = job.id),
    (SELECT array_agg(compute_us) FROM generations_charge charge WHERE charge.job_id = job.id)
FROM generations_job job
"""
EVENTS = "SELECT resource, kind FROM core_event WHERE kind ~ '^job[.](succeeded|failed|cancelled|expired)$'"


class Asker:
    """Somebody who asks for one thing after another until told to stop, each under a key, until it is acknowledged."""

    def __init__(self, stack: FaultStack, name: str, act: Callable[["Asker"], None], *, pause_s: float) -> None:
        self.person = Person(stack.url, stack.people[name], patience_s=90.0)
        workspace = self.person.me["workspaces"][0]["id"]
        self.project = self.person.post(f"/workspaces/{workspace}/projects", {"name": name}, expect=201)["id"]
        self.draw = random.Random(f"{SEED} {name}")
        self.assets = [
            upload(self.person.http, f"/api/v1/projects/{self.project}", photo(side, side)) for side in SIDES_PX
        ]
        self.asked = 0  # jobs, by the keys
        self.jobs: list[str] = []
        self._act, self._pause_s = act, pause_s
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._stop = threading.Event()
        self.broken: str = ""

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stop.wait(self.draw.uniform(0.2, 1.8) * self._pause_s):
                self._act(self)
        except (StoryFailed, httpx.HTTPError) as exc:
            self.broken = repr(exc)

    def post(self, path: str, body: dict[str, Any], *, jobs: int) -> Any:
        self.asked += jobs
        headers = {"Idempotency-Key": secrets.token_hex(16)}
        return self.person.post(f"/projects/{self.project}{path}", body, expect=202, headers=headers)


def submit(asker: Asker) -> None:
    body = {"task": asker.draw.choice(TASKS), "input_asset_id": asker.draw.choice(asker.assets)}
    job = asker.post("/jobs", body, jobs=1)
    asker.jobs.append(job["id"])
    if asker.draw.random() < 0.15:
        time.sleep(asker.draw.random())
        _cancel(asker, f"/jobs/{job['id']}/cancel")


def send(asker: Asker) -> None:
    body = {"task": asker.draw.choice(TASKS), "input_asset_ids": [asker.draw.choice(asker.assets)] * BATCH}
    batch = asker.post("/batches", body, jobs=BATCH)
    listed = asker.person.get(f"/projects/{asker.project}/jobs?batch_id={batch['id']}&limit=100")["items"]
    asker.jobs += [job["id"] for job in listed]
    if asker.draw.random() < 0.15:
        _cancel(asker, f"/batches/{batch['id']}/cancel")


def _cancel(asker: Asker, path: str) -> None:
    try:
        asker.person.post(path, expect=200)
    except StoryFailed as exc:
        if "409" not in str(exc):  # it had ended already
            raise


def kill(stack: FaultStack, name: str) -> None:
    if name != MODEL:
        stack.kill(name)
        return
    end = time.monotonic() + 30
    while time.monotonic() < end:
        models = [process for process in stack.tree("triton") if "triton_python" in _name(process)]
        if models:
            random.choice(models).kill()
            return
        time.sleep(0.05)


def _name(process: psutil.Process) -> str:
    try:
        return process.name()
    except psutil.NoSuchProcess:
        return ""


def wrong(found: tuple[Any, ...], told: Counter[str]) -> tuple[str, str] | None:
    """What is wrong with a job, as what of the bars it counts for, and in words."""
    job_id, state, _attempt, compute_us, _code, assets, charges = found
    assets, charges = assets or [], charges or []
    if state in ("queued", "running"):
        return "not ended", f"{job_id} is {state}"
    done = state == "succeeded"
    if len(assets) != done or told[state] != 1 or told.total() != 1:
        return "doubled", f"{job_id} {state}: {len(assets)} assets, told {dict(told)}"
    if (done and charges != [compute_us]) or (done and assets != charges) or len(charges) > 1:
        return "doubled", f"{job_id} {state}: charged {charges}, took {compute_us}, its asset {assets}"
    return None


def check(stack: FaultStack, askers: list[Asker]) -> tuple[Counter[str], list[tuple[Any, ...]]]:
    jobs = {row[0]: row for row in stack.rows(JOBS)}
    told: dict[str, Counter[str]] = {}
    for resource, kind in stack.rows(EVENTS):
        told.setdefault(resource, Counter())[kind.removeprefix("job.")] += 1
    found = Counter[str]()
    for asker in askers:
        if asker.broken:
            found["lost"] += 1
            print(f"  ! {asker.broken}", file=sys.stderr)
        for shown in asker.jobs:
            if ids.parse("job", shown) not in jobs:
                found["lost"] += 1
                print(f"  ! {shown} is gone", file=sys.stderr)
    asked = sum(asker.asked for asker in askers)
    found["doubled"] += max(0, len(jobs) - asked)
    found["lost"] += max(0, asked - len(jobs))
    for job_id, row in jobs.items():
        if problem := wrong(row, told.get(ids.show("job", job_id), Counter())):
            found[problem[0]] += 1
            print(f"  ! {problem[0]}: {problem[1]}", file=sys.stderr)
    return found, list(jobs.values())


def settle(stack: FaultStack) -> float:
    """Seconds until no job waits or runs, or until none has ended for STUCK_S."""
    began = moved = time.monotonic()
    left = -1
    while time.monotonic() < moved + STUCK_S:
        found: int = stack.rows("SELECT count(*) FROM generations_job WHERE finished_at IS NULL")[0][0]
        if not found:
            break
        if found != left:
            left, moved = found, time.monotonic()
        time.sleep(0.5)
    return time.monotonic() - began


def rows() -> list[dict[str, Any]]:
    environment = {**os.environ, **dict.fromkeys(("RATE_PERSON_PER_MIN", "RATE_WORKSPACE_PER_MIN"), "1000000")}
    draw, kills = random.Random(SEED), Counter[str]()
    with fault_stack(environment) as stack:
        stack.settle_people(["Ada", "Bo", "Cy"])
        askers = [
            Asker(stack, "Ada", submit, pause_s=0.6),
            Asker(stack, "Bo", submit, pause_s=0.6),
            Asker(stack, "Cy", send, pause_s=3.0),
        ]
        for asker in askers:
            asker.start()
        for number in range(KILLS):
            time.sleep(draw.uniform(*APART_S))
            name = draw.choice(KILLED)
            kill(stack, name)
            kills[name] += 1
            if number % 20 == 19:
                print(f"  {number + 1} kills", file=sys.stderr)
        for asker in askers:
            asker.stop()
        settled_s = settle(stack)
        found, jobs = check(stack, askers)
    return _table(found, jobs, kills, settled_s)


def _table(
    found: Mapping[str, int], jobs: list[tuple[Any, ...]], kills: Counter[str], settled_s: float
) -> list[dict[str, Any]]:
    states, codes = Counter(job[1] for job in jobs), Counter(job[4] for job in jobs if job[1] == "failed")
    tried_again = sum(job[2] > 1 for job in jobs)
    beside = {
        "lost": f"of {len(jobs)}: {dict(states)}; failed by {dict(codes)}",
        "doubled": f"{tried_again} were begun more than once; killed: {dict(kills)}",
        "not ended": f"looked at {settled_s:.0f} s after the last kill",
    }
    return [
        {"name": f"jobs {name}, {kills.total()} kills", "value": found.get(name, 0), "unit": "", "bar": "0"}
        | {"ok": not found.get(name, 0), "beside": said}
        for name, said in beside.items()
    ]
