"""Hides how the parts are kept alive: started side by side, watched, started again with back-off, stopped in order.

One thread keeps one part for as long as the stack lives. It must be that thread which starts the process, for Linux
ends the process with the thread that started it (see launch.py).
"""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

import psutil

from backend.embedded import children
from backend.embedded.children import Command
from backend.embedded.parts import PARTS, STEPS, Part, Step, is_outer, settings
from backend.embedded.plan import ROOT, Plan, StackError
from backend.embedded.progress import Progress

READY_TIMEOUT_S = 120.0  # of a first start on a busy machine, and of what may have much to recover
# Of a process of ours that was ready before, where all should serve again within 30 s: it takes some 4 s. On a slow
# machine it has more, by the time that it took last. One that hangs is started anew, and has twice the time then.
AGAIN_TIMEOUT_S, AGAIN_TIMES = 15.0, 3
STARTS_BEFORE_GIVING_UP = 3  # of a part that has never been ready
BACKOFF_S = (0.1, 0.3, 1.0, 2.0, 4.0, 8.0)
CALM_S = 20.0  # a part that lived as long begins its back-off anew
POLL_S = 0.05
LOOK_S = 3.0  # how often a part that lives is mended, and asked whether it is broken
LOOKS_BEFORE_KILLING = 3  # that find it so, one after the other


class Supervisor:
    """The stack of one plan: `start`, then `watch` until somebody calls `stop`."""

    def __init__(
        self,
        plan: Plan,
        *,
        without: Sequence[str] = (),
        progress: Progress | None = None,
        parts: Sequence[Part] = PARTS,
        steps: Sequence[Step] = STEPS,
    ) -> None:
        self.plan = plan
        self.progress = progress or Progress()
        self.links: Mapping[str, str] = {}
        absent = {*without, *(part.name for part in parts if is_outer(plan, part))}
        self._stopping = threading.Event()
        self._failed: StackError | None = None
        names = [*(part.name for part in parts), *(step.name for step in steps)]
        self._done = {name: threading.Event() for name in names}
        for name in absent.intersection(names):
            self._done[name].set()
        self._keepers = [_Keeper(self, part) for part in parts if part.name not in absent]
        self._steps = [threading.Thread(target=self._run_step, args=[step], daemon=True) for step in steps]

    def start(self, *, timeout_s: float = 300.0) -> None:
        """Start all parts and steps; return when each has been ready once. Raises: StackError."""
        for thread in [*self._keepers, *self._steps]:
            thread.start()
        until = time.monotonic() + timeout_s
        for name, done in self._done.items():
            while not done.wait(POLL_S):
                if self._failed:
                    raise self._failed
                if self._stopping.is_set():
                    raise StackError("Stopped before the start was complete.")
                if time.monotonic() > until:
                    raise self.failure(name, f"was not ready within {timeout_s:.0f} s")

    def watch(self) -> None:
        """Until `stop`: keep the logs short; the keepers do the rest."""
        while not self._stopping.wait(5.0):
            for keeper in self._keepers:
                log = self.plan.var / "logs" / f"{keeper.part.name}.log"
                children.rotate(log, limit_bytes=children.LOG_BYTES)

    def ask_to_stop(self) -> None:
        """Make `watch` and `start` return. Safe in a signal handler."""
        self._stopping.set()

    def stop(self) -> None:
        """Stop our own processes first, then what they stand on. Within 10 s; idempotent."""
        self._stopping.set()
        for layer in (1, 0):
            stops = [threading.Thread(target=keeper.stop) for keeper in self._keepers if keeper.part.layer == layer]
            for thread in stops:
                thread.start()
            for thread in stops:
                thread.join()

    def wait_for(self, names: Sequence[str]) -> bool:
        """Block until all of `names` have been ready once; False when the stack stops before."""
        for name in names:
            while not self._done[name].wait(POLL_S):
                if self._stopping.is_set() or self._failed:
                    return False
        return not self._stopping.is_set()

    def mark_ready(self, name: str, took_s: float) -> None:
        if not self._done[name].is_set():
            self.progress.done(name, took_s)
            self._done[name].set()
        else:
            self.progress.note(f"{name} is back after {took_s:.1f} s")

    def fail(self, error: StackError) -> None:
        self._failed = self._failed or error

    def failure(self, name: str, what: str) -> StackError:
        log = self.plan.var / "logs" / f"{name}.log"
        lines = children.last_lines(log, count=15)
        return StackError("\n    ".join([f"{name} {what}. The end of {log}:", *lines]))

    def is_stopping(self, *, within_s: float = 0.0) -> bool:
        return self._stopping.wait(within_s)

    def was_ready(self, name: str) -> bool:
        return self._done[name].is_set()

    def _run_step(self, step: Step) -> None:
        if not self.wait_for(step.needs):
            return
        began = time.monotonic()
        argv = [sys.executable, *step.arguments(self.plan)]
        code, out = children.run_quietly(
            self.plan, step.name, Command(argv, settings(self.plan), cwd=ROOT), stopping=self._stopping
        )
        if self._stopping.is_set():
            return
        if code:
            return self.fail(self.failure(step.name, f"failed with exit code {code}"))
        if step.name == "prepare":
            self.links = json.loads(out.strip().splitlines()[-1])
        self.mark_ready(step.name, time.monotonic() - began)


class _Keeper(threading.Thread):
    """Keeps one part alive."""

    def __init__(self, supervisor: Supervisor, part: Part) -> None:
        super().__init__(name=part.name, daemon=True)
        self.part = part
        self._supervisor = supervisor
        self._child: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()  # so that no child is started after `stop` looked
        self._patience_s = READY_TIMEOUT_S

    def run(self) -> None:
        if not self._supervisor.wait_for(self.part.needs):
            return
        falls = 0
        while not self._supervisor.is_stopping():
            began = time.monotonic()
            try:
                why = self._run_once()
            except (StackError, OSError, subprocess.SubprocessError, psutil.Error) as exc:
                why = str(exc)
            if self._supervisor.is_stopping():
                return
            falls = 0 if time.monotonic() - began > CALM_S else falls + 1
            if not self._supervisor.was_ready(self.part.name) and falls >= STARTS_BEFORE_GIVING_UP:
                return self._supervisor.fail(self._supervisor.failure(self.part.name, why))
            wait_s = BACKOFF_S[min(falls, len(BACKOFF_S) - 1)]
            self._supervisor.progress.note(f"{self.part.name} {why}; starting it again in {wait_s} s")
            self._supervisor.is_stopping(within_s=wait_s)

    def _run_once(self) -> str:
        """One life of the process; how it ended."""
        began = time.monotonic()
        plan = self._supervisor.plan
        command = self.part.command(plan)
        with self._lock:
            if self._supervisor.is_stopping():
                return "was stopped"
            self._child = child = children.start(
                plan, self.part.name, command, dies_by=self.part.dies_by, port=plan.ports.get(self.part.port, 0)
            )
        while not self.part.ready(plan):
            if child.poll() is not None:
                return f"ended with code {child.returncode} before it was ready"
            if time.monotonic() - began > (patience_s := self._patience_s):
                children.stop(child, by=signal.SIGKILL, grace_s=1.0)
                self._patience_s = min(READY_TIMEOUT_S, 2 * patience_s)
                return f"was not ready within {patience_s:.0f} s"
            if self._supervisor.is_stopping(within_s=POLL_S):
                return "was stopped"
        if self.part.opened:
            self.part.opened(plan)
        took_s = time.monotonic() - began
        self._supervisor.mark_ready(self.part.name, took_s)
        self._patience_s = max(AGAIN_TIMEOUT_S, AGAIN_TIMES * took_s) if self.part.layer else READY_TIMEOUT_S
        how = self._outlive(child)
        children.kill_session(child.pid)
        return how

    def _outlive(self, child: subprocess.Popen[bytes]) -> str:
        """Wait until it ends, or end it when it is broken for good; which of both."""
        found = 0
        while True:
            with suppress(subprocess.TimeoutExpired):
                child.wait(LOOK_S)
                return f"died (code {child.returncode})"
            if self.part.mend:
                self.part.mend(self._supervisor.plan)
            found = found + 1 if self.part.broken and self.part.broken(self._supervisor.plan) else 0
            if found == LOOKS_BEFORE_KILLING:
                child.kill()
                child.wait()
                return "was broken, and was ended"

    def stop(self) -> None:
        with self._lock:
            child = self._child
        if child is not None:
            children.stop(child, by=self.part.stop, grace_s=self.part.grace_s)
            children.forget(self._supervisor.plan, self.part.name)
