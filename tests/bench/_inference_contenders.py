"""Hides the contenders of the mixed load: how each is started, asked for a picture, heard of, weighed and ended.

All stand on one stack: the peers use its Valkey and its S3, and the rest of it is idle meanwhile. A peer gets a file's
path; it has no HTTP API before it, or one without sign-in, and no database.
"""

import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import httpx
import psutil
import redis
from celery import Celery

from backend.embedded import children
from backend.embedded.children import Command
from backend.embedded.plan import HOST, ROOT, Plan, free_port
from tests.bench._followed import Followed
from tests.bench.fairness import Person

PEERS = Path(__file__).parent / "_inference_peers"
INSTALLED = ROOT / "var" / "bench" / "inference-peers"
BUCKET = "atelier"
WORKERS = 4  # of Celery
REQUESTS = 64  # open at once at a peer that is asked by HTTP: more than are ever in flight
BROKER, RESULTS = 1, 2  # Valkey's databases; the stack's own are in the first, 0
START_S = 180.0
Lane = Literal["interactive", "batch"]


def install_peers() -> None:
    """What the peers' lock pins, once, beside the environment of the product."""
    lock, stamp = PEERS / "requirements.txt", INSTALLED / "requirements.txt"
    if not stamp.exists() or stamp.read_bytes() != lock.read_bytes():
        shutil.rmtree(INSTALLED, ignore_errors=True)
        uv = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", sys.executable]
        subprocess.run([*uv, "--target", str(INSTALLED), "--no-deps", "-r", str(lock)], check=True, timeout=600)
        shutil.copy(lock, stamp)


class Ended(NamedTuple):
    """A picture that was asked for; `at` by `time.perf_counter`, `why` where it failed."""

    id: str
    at: float
    why: str = ""


class Contender(Protocol):
    def submit(self, path: Path, lane: Lane) -> str:
        """The id that `next` will tell."""

    def next(self, timeout_s: float) -> Ended | None:
        """What ended; None where nothing did within that time."""

    def pss_bytes(self) -> int:
        """Of all processes that compute, and of those that hand them their work."""


@dataclass(frozen=True, slots=True)
class Stack:
    """What contenders stand on. `assets`: the pictures as Atelier has them, by their paths."""

    plan: Plan
    waiting: Person
    busy: Person
    followed: Followed
    assets: Mapping[Path, str]
    weights: Path


class Atelier:
    """Asked through its API by two people of a workspace, and heard of by its event stream."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._people: Mapping[Lane, Person] = {"interactive": stack.waiting, "batch": stack.busy}
        self._under = set[str]()

    def submit(self, path: Path, lane: Lane) -> str:
        who = self._people[lane]
        body = {"task": "enhance", "input_asset_id": self._stack.assets[path], "lane": lane}
        job: str = who.client.post(f"{who.project}/jobs", json=body).raise_for_status().json()["id"]
        self._under.add(job)
        return job

    def next(self, timeout_s: float) -> Ended | None:
        try:
            job, at = self._stack.followed.ended.get(timeout=timeout_s)
        except queue.Empty:
            return None
        self._under.discard(job["id"])
        return Ended(job["id"], at, "" if job["state"] == "succeeded" else f"{job['state']}: {job['error']}")

    def pss_bytes(self) -> int:
        parts = children.running(self._stack.plan.var)
        return sum(children.pss_bytes(process) for name, process, _ in parts if name in {"worker", "triton"})

    def cancel(self) -> None:
        """End what is under way, so that the next one has the cores."""
        for job in self._under:
            self._stack.busy.client.post(f"/api/v1/jobs/{job}/cancel")
        while self._under:
            ended, _at = self._stack.followed.ended.get(timeout=START_S)
            self._under.discard(ended["id"])


@contextmanager
def atelier(stack: Stack) -> Iterator[Contender]:
    contender = Atelier(stack)
    try:
        yield contender
    finally:
        contender.cancel()


class Naive:
    """Celery workers that call PyTorch themselves: asked by Celery, and heard of as Celery's own client hears."""

    def __init__(self, urls: Mapping[str, str], process: psutil.Process, *, tuned: bool) -> None:
        self._app = Celery(broker=urls["BROKER_URL"], set_as_current=False)
        self._app.conf.broker_transport_options = {"priority_steps": [0, 9]} if tuned else {}
        self._process, self._tuned = process, tuned
        results = redis.Redis.from_url(urls["RESULT_URL"])
        self._heard = results.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]  # redis' own
        self._heard.psubscribe("celery-task-meta-*")

    def submit(self, path: Path, lane: Lane) -> str:
        options: dict[str, Any] = {"priority": 0 if lane == "interactive" else 9} if self._tuned else {}
        return str(self._app.send_task("enhance", [str(path)], **options).id)

    def next(self, timeout_s: float) -> Ended | None:
        until = time.perf_counter() + timeout_s
        while (left_s := until - time.perf_counter()) > 0:
            if message := self._heard.get_message(timeout=left_s):  # None, too, where it subscribed
                result = json.loads(message["data"])
                why = "" if result["status"] == "SUCCESS" else f"{result['status']}: {result['result']}"
                return Ended(result["task_id"], time.perf_counter(), why)
        return None

    def pss_bytes(self) -> int:
        return children.pss_bytes(self._process)

    def close(self) -> None:
        self._heard.close()
        self._app.close()


@contextmanager
def naive(stack: Stack, *, threads: int = 0, tuned: bool = False) -> Iterator[Contender]:
    """`threads` of PyTorch in each worker, 0: its own choice. `tuned`: who waits goes first."""
    valkey = f"redis://{HOST}:{stack.plan.ports['valkey']}"
    urls = {"BROKER_URL": f"{valkey}/{BROKER}", "RESULT_URL": f"{valkey}/{RESULTS}"}
    settings = {**urls, "TORCH_THREADS": str(threads), "TUNED": "1" if tuned else ""}
    program = ["-A", "tests.bench._inference_peers.naive", "worker", "-c", str(WORKERS), "-l", "WARNING"]
    try:
        with _started(stack, "naive", ["-m", "celery", *program], settings) as process:
            contender = Naive(urls, process, tuned=tuned)
            try:
                yield contender
            finally:
                contender.close()
    finally:
        for url in urls.values():
            redis.Redis.from_url(url).flushdb()


class Served:
    """A program that is asked by HTTP and answers when the picture is done."""

    def __init__(self, port: int, process: psutil.Process) -> None:
        limits = httpx.Limits(max_connections=None)
        self._client = httpx.Client(base_url=f"http://{HOST}:{port}", timeout=None, limits=limits)  # noqa: S113 - it queues
        self._threads = ThreadPoolExecutor(REQUESTS)
        self._ended: queue.SimpleQueue[Ended] = queue.SimpleQueue()
        self._process = process

    def answers(self, path: Path) -> bool:
        try:
            return self._client.post("/predict", json={"path": str(path)}, timeout=START_S).is_success
        except httpx.TransportError:
            return False

    def submit(self, path: Path, lane: Lane) -> str:
        asked = str(uuid.uuid4())
        self._threads.submit(self._ask, asked, path)
        return asked

    def _ask(self, asked: str, path: Path) -> None:
        try:
            self._client.post("/predict", json={"path": str(path)}).raise_for_status()
            self._ended.put(Ended(asked, time.perf_counter()))
        except httpx.HTTPError as exc:
            self._ended.put(Ended(asked, time.perf_counter(), repr(exc)))

    def next(self, timeout_s: float) -> Ended | None:
        try:
            return self._ended.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def pss_bytes(self) -> int:
        return children.pss_bytes(self._process)

    def close(self) -> None:
        """Returns when all requests have ended."""
        self._threads.shutdown()
        self._client.close()


@contextmanager
def served(stack: Stack, program: str) -> Iterator[Contender]:
    """`program`: a module of the peers."""
    port = free_port(taken=set())
    settings = {
        "PYTHONPATH": f"{INSTALLED}{os.pathsep}{ROOT}",
        "TORCH_THREADS": "1",  # there is a process for each core
        "RAY_TMPDIR": str(stack.plan.folder("ray")),
        "RAY_AUTH_MODE": "disabled",  # else it leaves a token in the home folder
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_worker_niceness": "0",  # 15 by default: the others would have the cores before it
    }
    argv = ["-m", f"tests.bench._inference_peers.{program}", str(port)]
    with _started(stack, program, argv, settings) as process:
        contender = Served(port, process)
        until, path = time.monotonic() + START_S, next(iter(stack.assets))
        while not contender.answers(path):
            if time.monotonic() > until or process.status() == psutil.STATUS_ZOMBIE:
                raise TimeoutError(f"{program} did not begin to answer")
            time.sleep(0.2)
        try:
            yield contender
        finally:
            process.kill()
            children.kill_session(process.pid)  # which ends the requests
            contender.close()


@contextmanager
def _started(stack: Stack, name: str, argv: list[str], settings: Mapping[str, str]) -> Iterator[psutil.Process]:
    """A peer's program, killed with all its processes at the end: nothing of it is needed any more."""
    plan = stack.plan
    # As where nobody has tuned them: our own processes' settings of OpenMP are none of theirs.
    plain = [shutil.which("env") or "env", "-u", "OMP_WAIT_POLICY", "-u", "GOMP_SPINCOUNT", sys.executable, *argv]
    env = {**plan.settings(), "S3_BUCKET": BUCKET, "WEIGHTS": str(stack.weights), **settings}
    child = children.start(plan, name, Command(plain, env, cwd=ROOT), dies_by=signal.SIGKILL)
    try:
        yield psutil.Process(child.pid)
    except Exception:
        print(*children.last_lines(plan.folder("logs") / f"{name}.log", count=30), sep="\n", file=sys.stderr)
        raise
    finally:
        children.stop(child, by=signal.SIGKILL, grace_s=1.0)
        children.forget(plan, name)
