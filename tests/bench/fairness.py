"""Measures what people who share the models have of it: how long the light ones wait beside a heavy one, what share a
workspace gets whose jobs cost ten times as much, how true the estimates were, and how soon a cancelled job lets go.

All through the API, on a stack of its own: times are the job's own, from its making to its end, and costs the ledger's.
Run it alone.
"""

import io
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psutil
from PIL import Image

from backend.embedded.plan import Plan
from tests.bench import inference_quality as quality
from tests.bench._stack import environment, scratch
from tests.bench.enhance import upload

QUICK = bool(os.environ.get("QUICK"))
LIGHT, EVERY_S = 9, 5.0
PHASE_S = 30 if QUICK else 60
HEAVY_JOBS = 300 if QUICK else 500
SHARE_S, SAMPLES = (60, 30) if QUICK else (240, 100)
CANCELS, LARGE_PX = (30 if QUICK else 100), 1500
WARM_JOBS = 12  # of the batch lane, before its jobs are measured
DEAR_PX, CHEAP_PX = 700, 256  # nine tiles with their context, and one without


@dataclass(frozen=True)
class Person:
    """Somebody who is signed in, and their project."""

    client: httpx.Client
    project: str
    asset: str = ""

    def submit(self, asset: str) -> dict[str, Any]:
        body = {"task": "enhance", "input_asset_id": asset}
        job: dict[str, Any] = self.client.post(f"{self.project}/jobs", json=body).raise_for_status().json()
        return job

    def send(self, assets: list[str]) -> str:
        """A batch; its address."""
        body = {"task": "enhance", "input_asset_ids": assets}
        sent = self.client.post(f"{self.project}/batches", json=body).raise_for_status()
        return f"/api/v1/batches/{sent.json()['id']}"

    def jobs(self, **query: str) -> list[dict[str, Any]]:
        """All of the project that the query names."""
        found, cursor = list[dict[str, Any]](), dict[str, str]()
        while True:
            asked = {"limit": "200", **query, **cursor}
            page = self.client.get(f"{self.project}/jobs", params=asked).raise_for_status().json()
            found += page["items"]
            if page["next_cursor"] is None:
                return found
            cursor = {"cursor": page["next_cursor"]}


def picture(side_px: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(quality.photograph("astronaut")).resize((side_px, side_px)).save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


@contextmanager
def people(workspaces: int, each: int) -> Iterator[tuple[Plan, list[Person]]]:
    with scratch(without=("learner",)) as supervisor:
        plan = supervisor.plan
        argv = [sys.executable, "-m", "tests.bench._people", str(workspaces), str(each)]
        made = subprocess.run(argv, env=environment(plan), capture_output=True, check=True, text=True)
        found = []
        for one in json.loads(made.stdout.splitlines()[-1]):
            cookies = {"sessionid": one["session"], "csrftoken": "b" * 32}
            headers = {"Origin": plan.url, "X-CSRFToken": "b" * 32}
            idle = httpx.Limits(keepalive_expiry=2.0)  # the server hangs up on connections that rest for five
            client = httpx.Client(base_url=plan.url, timeout=60.0, cookies=cookies, headers=headers, limits=idle)
            found.append(Person(client, f"/api/v1/projects/{one['project']}"))
        yield plan, found


def took_s(job: dict[str, Any]) -> float:
    return (datetime.fromisoformat(job["finished_at"]) - datetime.fromisoformat(job["created_at"])).total_seconds()


def light_phase(light: list[Person], seconds: float, seen: set[str]) -> tuple[list[float], list[float], float]:
    """Seconds that each job of the light ones took, the compute of each, and the cores' use meanwhile."""
    psutil.cpu_percent()
    began, number = time.monotonic(), 0
    while time.monotonic() - began < seconds:
        who = light[number % len(light)]
        who.submit(who.asset)
        number += 1
        time.sleep(max(0.0, began + number * EVERY_S / len(light) - time.monotonic()))
    use = psutil.cpu_percent() / 100
    while True:
        jobs = [job for job in light[0].jobs() if job["lane"] == "interactive" and job["id"] not in seen]
        if all(job["finished_at"] for job in jobs):
            break
        time.sleep(0.2)
    seen |= {job["id"] for job in jobs}
    return [took_s(job) for job in jobs], [float(job["compute_s"]) for job in jobs], use


def foreseen(jobs: list[dict[str, Any]]) -> list[tuple[float, bool]]:
    """Of each that succeeded: by how much of what it took its end was foreseen wrong, and whether the range held it."""
    return [
        _judged(job["expected"], since=datetime.fromisoformat(job["created_at"]), finished_at=job["finished_at"])
        for job in jobs
        if job["state"] == "succeeded" and job["expected"]
    ]


class Said:
    """What jobs that wait said of their end, asked again and again: seconds from then."""

    def __init__(self) -> None:
        self._draw = random.Random(5)
        self._said: list[tuple[str, datetime, dict[str, Any]]] = []

    def ask(self, who: Person) -> None:
        """One of the next forty, so that it ends while we look."""
        page = who.client.get(f"{who.project}/jobs", params={"state": "queued", "sort": "created_at", "limit": "40"})
        if waiting := page.raise_for_status().json()["items"]:
            job = who.client.get(f"/api/v1/jobs/{self._draw.choice(waiting)['id']}").raise_for_status().json()
            if job["state"] == "queued" and job["expected"]:
                self._said.append((job["id"], datetime.now(UTC), job))

    def held(self, people: list[Person]) -> list[tuple[float, bool]]:
        ended = {job["id"]: job for who in people for job in who.jobs(state="succeeded")}
        return [
            _judged(job["expected"], since=at, finished_at=ended[job_id]["finished_at"])
            for job_id, at, job in self._said
            if job_id in ended
        ]


def _judged(expected: dict[str, str], *, since: datetime, finished_at: str) -> tuple[float, bool]:
    ends, earliest, latest, took = (
        (datetime.fromisoformat(moment) - since).total_seconds()
        for moment in (expected["ends_at"], expected["earliest_end_at"], expected["latest_end_at"], finished_at)
    )
    return abs(ends - took) / max(took, 0.1), earliest <= took <= latest


def estimates(kinds: dict[str, list[tuple[float, bool]]]) -> list[dict[str, Any]]:
    everything = [one for found in kinds.values() for one in found]
    error = statistics.median(off for off, _ in everything)
    held = statistics.mean(inside for _, inside in everything)
    said = []
    for kind, found in kinds.items():
        off, inside = statistics.median(off for off, _ in found), statistics.mean(inside for _, inside in found)
        said.append(f"{kind}: {off:.0%}, {inside:.0%} of {len(found)}")
    beside = "; ".join(said)
    return [
        _row("error of the estimated end, median", error, "", "<= 0.2", error <= 0.2, beside),
        _row("the range of 90 % holds", held, "", "0.85..0.95", 0.85 <= held <= 0.95, "the second figure of each"),
    ]


def p95(values: list[float]) -> float:
    return sorted(values)[int(0.95 * len(values))]


def heavy_and_light(kinds: dict[str, list[tuple[float, bool]]]) -> list[dict[str, Any]]:
    small = picture(CHEAP_PX)
    with people(1, LIGHT + 1) as (_plan, (heavy, *light)):
        asset = upload(heavy.client, heavy.project, small)
        light = [Person(one.client, one.project, asset) for one in light]
        seen: set[str] = set()
        light_phase(light, 10, seen)  # warm
        alone, _computed, idle_use = light_phase(light, PHASE_S, seen)
        _known([heavy], [asset])
        batch = heavy.send([asset] * HEAVY_JOBS)
        beside, computed, use = light_phase(light, PHASE_S, seen)
        ended = heavy.client.get(batch).json()["ended"]
        heavy.client.post(f"{batch}/cancel").raise_for_status()
        kinds["light ones"] = foreseen([job for job in light[0].jobs() if job["lane"] == "interactive"])
        kinds["the heavy one, of a batch when it was sent"] = foreseen(
            [job for job in heavy.jobs(state="succeeded") if job["lane"] == "batch"]
        )
    unit_s = statistics.median(computed)
    bar_s = 2 * p95(alone) + unit_s
    said = f"alone {p95(alone):.2f} s, one unit {unit_s:.2f} s; p50 {statistics.median(alone):.2f} → "
    said += f"{statistics.median(beside):.2f} s; cores {idle_use:.0%} → {use:.0%}"
    return [
        _row(
            f"light ones' p95 beside {HEAVY_JOBS} queued",
            p95(beside),
            "s",
            f"<= {bar_s:.2f}",
            p95(beside) <= bar_s,
            said,
        ),
        _row("use of the cores meanwhile", use, "", ">= 0.95", use >= 0.95 and not ended, None),
    ]


def shares(kinds: dict[str, list[tuple[float, bool]]]) -> list[dict[str, Any]]:
    """Three workspaces whose queues are full; one's jobs cost about ten times as much."""
    assets: list[str] = []
    with people(3, 1) as (_plan, everybody):
        for number, who in enumerate(everybody):
            asset = upload(who.client, who.project, picture(DEAR_PX if number == 0 else CHEAP_PX))
            assets.append(asset)
        _known(everybody, assets)
        for number, (who, asset) in enumerate(zip(everybody, assets, strict=True)):
            who.send([asset] * (120 if number == 0 else 1000))
        time.sleep(10)  # until all are served
        before, said = [_computed(who) for who in everybody], Said()
        end = time.monotonic() + SHARE_S
        while time.monotonic() < end:
            time.sleep(SHARE_S / SAMPLES)
            for who in everybody:
                said.ask(who)
        after = [_computed(who) for who in everybody]
        kinds["dear ones"] = said.held(everybody[:1])
        kinds["cheap ones"] = said.held(everybody[1:])
    used = [(b[0] - a[0], b[1] - a[1]) for a, b in zip(before, after, strict=True)]
    whole = sum(compute for compute, _jobs in used)
    share = used[0][0] / whole
    costs = [compute / jobs for compute, jobs in used]
    by_count = costs[0] / sum(costs)
    beside = f"turns by count would give it {by_count:.0%}; its jobs cost {costs[0] / statistics.mean(costs[1:]):.1f} ×"
    return [
        _row(
            "share of the dear workspace, of a third", share * 3, "x", "0.95..1.05", abs(share * 3 - 1) <= 0.05, beside
        )
    ]


def cancels() -> list[dict[str, Any]]:
    """Of pictures that run: from the request until the worker has let go, by its log; beside somebody's batch."""
    draw, freed, wrong = random.Random(3), list[float](), 0
    with people(1, 2) as (plan, (hasty, other)):
        large = upload(hasty.client, hasty.project, picture(LARGE_PX))
        small = upload(other.client, other.project, picture(CHEAP_PX))
        batch = other.send([small] * 1000)
        log = plan.var / "logs" / "worker.log"
        for _ in range(CANCELS):
            job = hasty.submit(large)
            while not job["progress"]["done"]:
                time.sleep(0.02)
                job = hasty.client.get(f"/api/v1/jobs/{job['id']}").json()
            time.sleep(draw.uniform(0, 0.5))
            asked = time.time()
            hasty.client.post(f"/api/v1/jobs/{job['id']}/cancel").raise_for_status()
            freed.append(_let_go_at(log, job["id"]) - asked)
        wrong += sum(job["state"] != "cancelled" for job in hasty.jobs() if job["lane"] == "interactive")
        states = other.client.get(batch).json()["states"]
        wrong += sum(states[state] for state in ("cancelled", "failed", "expired"))
    p99 = sorted(freed)[int(0.99 * len(freed))]
    beside = (
        f"p50 {1e3 * statistics.median(freed):.0f} ms, of {CANCELS}; {states['succeeded']} of the other's succeeded"
    )
    return [
        _row("cancel, to the freed worker, p99", 1e3 * p99, "ms", "<= 500", p99 <= 0.5, beside),
        _row("wrong jobs cancelled", wrong, "", "0", not wrong, None),
    ]


def _let_go_at(log: Path, job_id: str) -> float:
    while True:
        for line in log.read_text().splitlines()[-2000:]:
            if job_id in line and '"job.let_go"' in line:
                return datetime.fromisoformat(json.loads(line)["timestamp"]).timestamp()
        time.sleep(0.05)


def _known(everybody: list[Person], assets: list[str]) -> None:
    """Let some jobs of each end, as in a studio that did not begin today: what is estimated is learned from them."""
    batches = [(who, who.send([asset] * WARM_JOBS)) for who, asset in zip(everybody, assets, strict=True)]
    while not all(who.client.get(batch).json()["ended"] for who, batch in batches):
        time.sleep(0.5)
    time.sleep(5.0)


def _computed(who: Person) -> tuple[float, int]:
    """Seconds of compute of what ended, and how many jobs those are."""
    ended = who.jobs(state="succeeded")
    return sum(float(job["compute_s"]) for job in ended), len(ended)


def rows() -> list[dict[str, Any]]:
    kinds: dict[str, list[tuple[float, bool]]] = {}
    return [*heavy_and_light(kinds), *shares(kinds), *estimates(kinds), *cancels()]


def _row(name: str, value: float, unit: str, bar: str, ok: bool, beside: str | None) -> dict[str, Any]:
    return {"name": name, "value": round(value, 3), "unit": unit, "bar": bar, "ok": ok, "beside": beside}
