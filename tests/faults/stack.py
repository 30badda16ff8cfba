"""Hides a stack to make faults on: its supervisor in a process of its own, on a small disk of its own."""

import fcntl
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil
import psycopg

from backend.embedded import children
from backend.embedded import plan as plans
from backend.embedded.plan import ROOT
from tests.faults.network import Link

PREFIX = "atelier-faults-"
OURS = ("web", "worker", "relay", "learner")
DISK_BYTES = 2 * 1024**3  # sparse: a cluster with some WAL, some volumes of the store
NEEDED = {"nft": "nftables", "strace": "strace", "mkfs.ext4": "e2fsprogs", "mount": "mount", "cc": "gcc"}


class FaultStack:
    """The whole stack under `var`. `processes` are looked up at each call, for they change."""

    def __init__(self, var: Path, environment: Mapping[str, str]) -> None:
        self.var = var
        self._environment = environment
        self.plan = plans.load(var, web_port=plans.free_port(taken=set()), demo=True)
        self.url = self.plan.url
        taken = set(self.plan.ports.values())
        self.link = Link(port=plans.free_port(taken=taken), target=self.plan.ports["valkey"])
        self.clocks = var / "clocks"
        self._make_clocks()
        began = time.monotonic()
        self.start()
        self.first_start_s = time.monotonic() - began
        self.people: Mapping[str, str] = {}

    def start(self) -> None:
        """As `make run` does; returns when it is up."""
        out = open(self.var / "supervisor.out", "a+")  # noqa: SIM115 - it is the supervisor's for as long as that lives
        began = out.seek(0, os.SEEK_END)
        command = [sys.executable, "-m", "tests.faults.supervised"]
        self.supervisor = subprocess.Popen(command, env=self._settings(), cwd=ROOT, stdout=out, stderr=out)
        end = time.monotonic() + 120
        while True:
            out.seek(began)
            text = out.read()
            if "Ctrl-C" in text:
                break
            assert self.supervisor.poll() is None, text
            assert time.monotonic() < end, text
            time.sleep(0.1)
        out.close()

    def _settings(self) -> dict[str, str]:
        """Without coverage: it makes a start half as dear again, and who is killed writes nothing down."""
        return {
            **{name: value for name, value in self._environment.items() if not name.startswith("COVERAGE_PROCESS")},
            "ATELIER_VAR": str(self.var),
            "ATELIER_PORT": str(self.plan.ports["web"]),
            "ATELIER_FAULT_VALKEY_PORT": str(self.link.port),
            "ATELIER_FAULT_CLOCKS": str(self.clocks),
        }

    def processes(self) -> dict[str, psutil.Process]:
        return {name: process for name, process, _ in children.running(self.var)}

    def tree(self, name: str) -> list[psutil.Process]:
        """The part's process and all below it; empty while it is down."""
        process = self.processes().get(name)
        try:
            return [process, *process.children(recursive=True)] if process else []
        except psutil.NoSuchProcess:
            return []

    def kill(self, name: str) -> None:
        """kill -9 of one part, which may be on its way up."""
        end = time.monotonic() + 30
        while (process := self.processes().get(name)) is None:
            assert time.monotonic() < end, f"{name} is not there to be killed"
            time.sleep(0.02)
        process.kill()

    def kill_supervisor(self) -> None:
        """kill -9; its children die with it. `start` brings all back."""
        self.supervisor.kill()
        self.supervisor.wait()

    def stop(self) -> float:
        """Ctrl-C; the seconds until all of it is gone."""
        began = time.monotonic()
        processes = list(self.processes().values())
        self.supervisor.send_signal(signal.SIGINT)
        self.supervisor.wait(30)
        assert not [process for process in processes if process.is_running()]
        return time.monotonic() - began

    def _make_clocks(self) -> None:
        self.clocks.mkdir()
        for part in OURS:
            self.set_clock(part, hours=0)
        source = Path(__file__).with_name("clock.c")
        command = ["cc", "-shared", "-fPIC", "-O2", "-o", str(self.clocks / "clock.so"), str(source), "-ldl"]
        subprocess.run(command, check=True)

    def set_clock(self, part: str, *, hours: int) -> None:
        """Let the clock of one of our processes jump, at once; it is so many hours off from now on."""
        with open(os.open(self.clocks / part, os.O_WRONLY | os.O_CREAT), "wb") as clock:
            clock.write(struct.pack("q", 3600 * hours))

    def settle_people(self, names: list[str]) -> None:
        """Make people of these names, the first of whom owns the workspace of all; `people` has their sign-in links."""
        command = [sys.executable, "-m", "tests.faults.people", *names]
        made = subprocess.run(command, env=self._settings(), cwd=ROOT, capture_output=True, text=True)
        assert made.returncode == 0, made.stderr
        self.people = json.loads(made.stdout)

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """What the database itself says, past all rights."""
        with psycopg.connect(self.plan.database_url("superuser"), connect_timeout=5) as connection:
            return connection.execute(query, parameters).fetchall()


@contextmanager
def fault_stack(environment: Mapping[str, str]) -> Iterator[FaultStack]:
    """A stack that lives as long as the block. `environment`: without addresses of another stack's parts.

    Raises: RuntimeError where this machine lacks what faults are made with.
    """
    _check_machine()
    _clear_left_over()
    with tempfile.TemporaryDirectory(prefix=PREFIX) as folder, ExitStack() as opened:
        var = Path(folder, "var")
        var.mkdir()
        opened.enter_context(_own_disk(Path(folder, "disk"), var))
        Path(folder).chmod(0o755)  # PostgreSQL walks through it as another user
        stack = FaultStack(var, environment)
        opened.callback(stack.link.close)
        opened.callback(stack.stop)
        yield stack


def _check_machine() -> None:
    lacking = [package for program, package in NEEDED.items() if not _is_there(program)]
    if lacking or os.geteuid() != 0:
        raise RuntimeError(f"Faults are made as root on Linux. On Debian: apt-get install {' '.join(lacking)}")


def _is_there(program: str) -> bool:
    return any(Path(folder, program).exists() for folder in ("/usr/sbin", "/usr/bin", "/sbin", "/bin"))


@contextmanager
def _own_disk(image: Path, at: Path) -> Iterator[None]:
    """An ext4 of its own at `at`, that can be filled without harm to anybody else."""
    with open(image, "wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # whoever finds it free knows that its tests are dead
        file.truncate(DISK_BYTES)
        subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", str(image)], check=True)
        subprocess.run(["mount", "-o", "loop", str(image), str(at)], check=True)
        try:
            yield
        finally:
            subprocess.run(["umount", "--lazy", str(at)], check=True)


def _clear_left_over() -> None:
    """Unmount and delete what tests left that were killed; their supervisors ended with them."""
    for image in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/disk"):
        with open(image, "rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue  # others are at work
            subprocess.run(["umount", "--lazy", str(image.with_name("var"))], capture_output=True)
        shutil.rmtree(image.parent, ignore_errors=True)
