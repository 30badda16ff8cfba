"""The embedded Valkey, by itself: what would stop it for good is mended."""

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from backend.embedded import children, valkey
from backend.embedded import plan as plans
from backend.embedded.plan import HOST, Plan


@contextmanager
def running(plan: Plan) -> Iterator[int]:
    process = children.start(plan, "valkey", valkey.command(plan), dies_by=signal.SIGKILL)
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


def test_no_log_is_begun_anew_while_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A short write into it would leave a hole."""
    plan = plans.load(tmp_path, web_port=None, demo=False)
    with running(plan) as pid, redis.Redis(HOST, plan.ports["valkey"]) as client:
        with failing_fsync(pid):
            until(lambda: not writes(client))
        monkeypatch.setattr(valkey, "FREE_BYTES", 2**63)
        valkey.mend(plan)
        assert client.info("stats").get("total_forks") == 0


def test_it_begins_anew_where_its_log_has_a_hole(tmp_path: Path) -> None:
    """Once it has said that it can't read it; the log is kept aside, and what it writes then stays."""
    plan = plans.load(tmp_path, web_port=None, demo=False)
    with running(plan), redis.Redis(HOST, plan.ports["valkey"]) as client:
        for number in range(100):
            client.set(f"key {number}", "value")
    (log,) = tmp_path.glob("valkey/appendonlydir/*.incr.aof")
    held = log.read_bytes()
    middle = held.index(b"*3", len(held) // 2)
    log.write_bytes(held[:middle] + bytes(100) + held[middle:])
    ended = children.start(plan, "valkey", valkey.command(plan), dies_by=signal.SIGKILL)
    assert ended.wait(20) == 1
    for expected in (None, b"new"):
        with running(plan), redis.Redis(HOST, plan.ports["valkey"]) as client:
            assert client.get("key 1") == expected
            client.set("key 1", "new")
    (aside,) = tmp_path.glob("valkey/appendonlydir.unreadable/*.incr.aof")
    assert bytes(100) in aside.read_bytes()
