"""The embedded Valkey, by itself: what would stop it for good is mended."""

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from backend.embedded import plan as plans
from backend.embedded import valkey
from backend.embedded.plan import HOST, Plan


@contextmanager
def running(plan: Plan) -> Iterator[int]:
    process = subprocess.Popen(valkey.command(plan).argv, stdout=subprocess.DEVNULL)
    try:
        until(lambda: valkey.ready(plan))
        yield process.pid
    finally:
        process.kill()
        process.wait()


@contextmanager
def failing_fsync(pid: int) -> Iterator[None]:
    inject = ["-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:error=EIO"]
    command = ["strace", "-f", "-qq", "-o", "/dev/null", *inject, "-p", str(pid)]
    tracer = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait(10)


def until(test: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not test():
        assert time.monotonic() < end
        time.sleep(0.05)


def writes(client: redis.Redis) -> bool:
    try:
        return bool(client.set("key", time.monotonic()))
    except redis.ResponseError as exc:
        if not str(exc).startswith("MISCONF"):
            raise
        return False


def test_it_writes_again_after_an_fsync_that_failed(tmp_path: Path) -> None:
    """By itself it would not, for it tries none while nothing may be written; a second mending changes nothing."""
    plan = plans.load(tmp_path, web_port=None, demo=False)
    with running(plan) as pid, redis.Redis(HOST, plan.ports["valkey"]) as client:
        with failing_fsync(pid):
            until(lambda: not writes(client))
        time.sleep(3)
        assert not writes(client)
        valkey.mend(plan)
        until(lambda: writes(client))
        rewrites = client.info("stats").get("total_forks")
        valkey.mend(plan)
        assert client.info("stats").get("total_forks") == rewrites
