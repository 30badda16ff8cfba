"""The kinds of faults: each is made on a stack when its block is entered and ended when it is left.

What can vary within a kind is drawn: one seed is one fault. `KINDS` holds them all by name.
"""

import base64
import json
import os
import random
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import psutil
import psycopg
import redis

from backend.embedded.parts import PARTS
from backend.embedded.plan import HOST
from tests.faults.network import filtered, lost, refused, silent
from tests.faults.stack import OURS, FaultStack

EVERYTHING = frozenset({*(part.name for part in PARTS), "link", "clock"})
HOLE_BYTES = 64 * 1024  # more than one entry of Valkey's log is long
QUEUE = "atelier"  # Celery's list in Valkey


@dataclass(slots=True)
class Fault:
    """One fault: how it was drawn, and which parts are away because of it."""

    says: str
    away: frozenset[str]
    ended: float | None = None  # when it was over (monotonic), where that is before the end of its block
    doomed: set[str] = field(default_factory=set)  # UUIDs of jobs that are to fail because of it


Make = Callable[[FaultStack, random.Random], AbstractContextManager[Fault]]


@dataclass(frozen=True, slots=True)
class Kind:
    name: str
    make: Make
    lasts_s: tuple[float, float]  # in a measurement, drawn between the two
    short_s: float  # in a test
    use: Literal["test", "bench", "both"]


KINDS: dict[str, Kind] = {}
_Making = Callable[[FaultStack, random.Random], Iterator[Fault]]


def _kind(
    name: str,
    *,
    lasts_s: tuple[float, float] = (0.0, 0.0),
    short_s: float = 0.0,
    use: Literal["test", "bench", "both"] = "both",
) -> Callable[[_Making], None]:
    def register(making: _Making) -> None:
        KINDS[name] = Kind(name, contextmanager(making), lasts_s, short_s, use)

    return register


# --- processes


def _killing(names: Sequence[str]) -> _Making:
    def kill(stack: FaultStack, draw: random.Random) -> Iterator[Fault]:
        order = draw.sample(names, len(names))
        pauses_s = [draw.uniform(0.5, 1.5) for _ in order]
        fault = Fault("kill -9 of " + ", ".join(order), frozenset(order))
        for name, pause_s in zip(order, pauses_s, strict=True):
            if fault.ended:
                time.sleep(pause_s)
            stack.kill(name)
            fault.ended = time.monotonic()
        yield fault

    return kill


for _part in PARTS:
    _kind(f"kill-{_part.name}", use="bench")(_killing([_part.name]))
_kind("kill-parts", use="test")(_killing([part.name for part in PARTS]))


@_kind("kill-supervisor")
def _kill_supervisor(stack: FaultStack, draw: random.Random) -> Iterator[Fault]:
    """Its children die with it; then it is started again, as a person or systemd does."""
    fault = Fault("kill -9 of the supervisor", EVERYTHING)
    stack.kill_supervisor()
    fault.ended = time.monotonic()
    stack.start()
    yield fault


@_kind("kill-all")
def _kill_all(stack: FaultStack, draw: random.Random) -> Iterator[Fault]:
    """The supervisor, and at once all that it started: as when the machine goes down."""
    fault = Fault("kill -9 of everything", EVERYTHING)
    processes = [process for name in stack.processes() for process in stack.tree(name)]
    stack.kill_supervisor()
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    fault.ended = time.monotonic()
    stack.start()
    yield fault


@_kind("hole-in-valkey")
def _hole_in_valkey(stack: FaultStack, draw: random.Random) -> Iterator[Fault]:
    """Valkey's log has a hole, as a full disk may leave one, when it is killed: it can't be read, all in it is lost."""
    log = max(stack.var.glob("valkey/appendonlydir/*.incr.aof"), key=lambda path: path.stat().st_mtime)
    with open(log, "r+b") as file:
        file.seek(log.stat().st_size // 2)
        file.write(bytes(min(HOLE_BYTES, log.stat().st_size - file.tell())))
    stack.kill("valkey")
    yield Fault("a hole in Valkey's log, and kill -9", frozenset({"valkey"}), ended=time.monotonic())


@contextmanager
def _frozen(stack: FaultStack, part: str) -> Iterator[None]:
    processes = stack.tree(part)
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.resume()


@_kind("freeze-triton", lasts_s=(60.0, 60.0), short_s=5.0)
def _freeze_triton(stack: FaultStack, draw: random.Random) -> Iterator[Fault]:
    with _frozen(stack, "triton"):
        yield Fault("Triton is frozen", frozenset({"triton"}))


@_kind("restart-postgres")
def _restart_postgres(stack: FaultStack, draw: random.Random) -> Iterator[Fault]:
    """Its fast shutdown, which ends all transactions, or its immediate one, after which it recovers from its log."""
    way = draw.choice([signal.SIGINT, signal.SIGQUIT])
    stack.processes()["postgres"].send_signal(way)
    yield Fault(f"PostgreSQL is restarted by {way.name}", frozenset({"postgres"}), ended=time.monotonic())


# --- the network


@_kind("cut-valkey", lasts_s=(3.0, 12.0), short_s=3.0)
def _cut_valkey(stack: FaultStack, draw: random.Random) -> Iterator[Fault]:
    """For the web process alone: refused, or packets vanish."""
    away = frozenset({"link"})
    if draw.random() < 0.5:
        stack.link.cut()
        try:
            yield Fault("web is refused by Valkey", away)
        finally:
            stack.link.mend()
    else:
        with filtered(silent(stack.link.port)):
            yield Fault("nothing passes between web and Valkey", away)


@_kind("loss-valkey", lasts_s=(5.0, 12.0), short_s=3.0)
def _lossy_valkey(stack: FaultStack, draw: random.Random) -> Iterator[Fault]:
    with filtered(lost(stack.link.port, percent=20)):
        yield Fault("20 % of the packets between web and Valkey are lost", frozenset({"link"}))


@_kind("delay-valkey", lasts_s=(5.0, 12.0), short_s=3.0)
def _slow_valkey(stack: FaultStack, draw: random.Random) -> Iterator[Fault]:
    stack.link.delay_s = draw.uniform(0.02, 0.3)
    try:
        yield Fault(f"what passes between web and Valkey takes {stack.link.delay_s:.2f} s", frozenset({"link"}))
    finally:
        stack.link.delay_s = 0.0


@_kind("s3-away", lasts_s=(3.0, 12.0), short_s=3.0)
def _s3_away(stack: FaultStack, draw: random.Random) -> Iterator[Fault]:
    """Frozen, refused, or out of reach."""
    way = draw.choice(["frozen", "refused", "silent"])
    port = stack.plan.ports["s3"]
    ways = {"frozen": _frozen(stack, "s3"), "refused": filtered(refused(port)), "silent": filtered(silent(port))}
    with ways[way]:
        yield Fault(f"S3 is away: {way}", frozenset({"s3"}))


# --- the disk


@_kind("disk-full", lasts_s=(3.0, 8.0), short_s=3.0)
def _full_disk(stack: FaultStack, draw: random.Random) -> Iterator[Fault]:
    """Everything under `var` is on the disk: PostgreSQL, S3, Valkey's log, all logs."""
    filler, over = stack.var / "filler", threading.Event()
    keeper = threading.Thread(target=_keep_full, args=[filler, over])
    keeper.start()
    try:
        yield Fault("the disk is full", frozenset({"postgres", "s3", "valkey"}))
    finally:
        over.set()
        keeper.join()
        filler.unlink()


def _keep_full(filler: Path, over: threading.Event) -> None:
    """Take all that is free, and what becomes free."""
    with open(filler, "wb") as file:
        while not over.is_set():
            for size in (64 << 20, 1 << 20, 4096):
                with suppress(OSError):
                    while not over.is_set():
                        os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, size)
            over.wait(0.1)


@_kind("fsync-fails", lasts_s=(2.0, 5.0), short_s=2.0)
def _failing_fsync(stack: FaultStack, draw: random.Random) -> Iterator[Fault]:
    """EIO for each fsync of PostgreSQL, or of Valkey."""
    part = draw.choice(["postgres", "valkey"])
    pids = [word for process in stack.tree(part) for word in ("-p", str(process.pid))]
    calls = "fsync,fdatasync"
    tracer = subprocess.Popen(
        ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={calls}", "-e", f"inject={calls}:error=EIO", *pids],
        stderr=subprocess.DEVNULL,
    )
    try:
        yield Fault(f"fsync fails under {part}", frozenset({part}))
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait(10)


# --- the clock


@_kind("clock-jumps", lasts_s=(3.0, 8.0), short_s=3.0)
def _jumping_clock(stack: FaultStack, draw: random.Random) -> Iterator[Fault]:
    """One hour forth or back, of the web process, the worker, or all of ours."""
    hours = draw.choice([-1, 1])
    parts = draw.choice([("web",), ("worker",), OURS])
    for part in parts:
        stack.set_clock(part, hours=hours)
    try:
        yield Fault(f"the clock of {', '.join(parts)} jumps by {hours:+d} h", frozenset({"clock"}))
    finally:
        for part in parts:
            stack.set_clock(part, hours=0)


# --- the worker


@_kind("oom-worker", lasts_s=(3.0, 8.0), short_s=3.0)
def _starved_worker(stack: FaultStack, draw: random.Random) -> Iterator[Fault]:
    """The kernel kills it for the memory that its next job takes."""
    room_bytes = draw.randrange(1 << 20, 8 << 20)
    worker = stack.processes()["worker"]
    with _memory_group(room_bytes) as processes:
        processes.write_text(str(worker.pid))
        fault = Fault(f"the worker has {room_bytes >> 20} MiB left", frozenset({"worker"}))
        yield fault
        with suppress(psutil.NoSuchProcess):
            worker.kill()  # no job was asked for while it starved
        psutil.wait_procs([worker], timeout=5)


@contextmanager
def _memory_group(limit_bytes: int) -> Iterator[Path]:
    """A memory cgroup of either version; the file that takes pids. What they hold already is not counted."""
    first = Path("/sys/fs/cgroup/memory")
    root, limit = (first, "memory.limit_in_bytes") if first.is_dir() else (first.parent, "memory.max")
    group = root / f"atelier-fault-{os.getpid()}"
    group.mkdir()
    try:
        (group / limit).write_text(str(limit_bytes))
        yield group / "cgroup.procs"
    finally:
        for _ in range(50):
            with suppress(OSError):  # the kernel still clears away who was killed
                group.rmdir()
                break
            time.sleep(0.1)


# --- tasks


@_kind("poisoned-task", lasts_s=(3.0, 5.0), short_s=3.0)
def _poisoned_tasks(stack: FaultStack, draw: random.Random) -> Iterator[Fault]:
    """Messages in the workers' queue that nobody can read, or that name what nobody knows."""
    names = draw.sample(list(_POISONS), 4)
    with redis.Redis(HOST, stack.plan.ports["valkey"]) as valkey:
        for name in names:
            valkey.lpush(QUEUE, _POISONS[name])
    yield Fault("in the queue: " + ", ".join(names), frozenset())


def _message(*, task: str = "generations.run_next", **changes: object) -> str:
    """A message as Celery sends it, but for `changes` of its members."""
    body = base64.b64encode(json.dumps([[], {}, {}]).encode()).decode()
    task_id = str(uuid.uuid4())
    sound = {
        "body": body,
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"lang": "py", "task": task, "id": task_id, "root_id": task_id, "retries": 0},
        "properties": {
            "correlation_id": task_id,
            "delivery_info": {"exchange": "", "routing_key": QUEUE},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": str(uuid.uuid4()),
        },
    }
    return json.dumps(sound | changes)


_POISONS = {
    "no JSON": "\x00{",
    "no message": '"a text"',
    "nothing": "{}",
    "an unknown task": _message(task="no.such.task"),
    "surplus arguments": _message(body=base64.b64encode(b'[["surplus"], {}, {}]').decode()),
    "a pickle": _message(**{"content-type": "application/x-python-serialize"}),
    "a body of no base64": _message(body="%%%"),
    "a body of no JSON": _message(body=base64.b64encode(b"{").decode()),
    "no properties": _message(properties={}),
    "no headers": _message(headers={}),
}


@_kind("deadly-job", lasts_s=(1.0, 1.0), short_s=1.0)
def _deadly_job(stack: FaultStack, draw: random.Random) -> Iterator[Fault]:
    """A job whose worker is killed each time that it runs, until it is given up. Others share its workers."""
    fault = Fault("a job ends its worker each time", frozenset({"worker"}))
    killer = threading.Thread(target=_kill_its_workers, args=[stack, fault])
    killer.start()
    yield fault
    killer.join()
    fault.ended = time.monotonic()


def _kill_its_workers(stack: FaultStack, fault: Fault) -> None:
    job_id, killed = None, 0
    find = "SELECT id FROM generations_job WHERE state = 'running' ORDER BY id DESC LIMIT 1"
    follow = "SELECT state, attempt FROM generations_job WHERE id = %s FOR UPDATE"
    end = time.monotonic() + 200  # a worker that shares two cores with three runs of tests takes long to start, thrice
    with psycopg.connect(stack.plan.database_url("superuser"), autocommit=True) as connection:
        while time.monotonic() < end:
            time.sleep(0.01)
            if job_id is None:
                job_id, killed = (connection.execute(find).fetchone() or (None,))[0], 0
            with connection.transaction():  # the row is ours: the job can't end between our look and the kill
                state, attempt = connection.execute(follow, [job_id]).fetchone() or ("gone", 0)
                if state == "running" and attempt > killed:
                    stack.kill("worker")
                    killed = attempt
            if job_id and state in ("failed", "gone"):
                fault.doomed.add(str(job_id))
                return
            if state == "succeeded":
                job_id = None  # it was faster than we are: take another
    raise AssertionError("the deadly job has no end")
