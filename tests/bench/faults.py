"""Each kind of fault with twenty seeds, on one stack: violations of what must hold, and the slowest recovery.

QUICK=1 plays one short round of each kind. KINDS="cut-valkey s3-away" plays those anew and takes the others from the
last run; RESUME=1 goes on where a run was broken off. SEEDS=… says how many. The rounds lie in
var/bench/faults-rounds.json, and the logs after one that missed in var/bench/faults-logs.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, TypeAlias

import httpx
import psycopg

from backend.embedded.plan import ROOT
from tests.faults.kinds import KINDS
from tests.faults.ledger import Refused
from tests.faults.rounds import Outcome, play
from tests.faults.stack import FaultStack, fault_stack
from tests.faults.workload import crew
from tests.smoke.story import Person, StoryFailed

RECOVERY_BAR_S = 30.0
QUICK = bool(os.environ.get("QUICK"))
SEEDS = int(os.environ.get("SEEDS") or (1 if QUICK else 20))
ROUNDS = ROOT / "var" / "bench" / "faults-rounds.json"
LOGS = ROOT / "var" / "bench" / "faults-logs"
MEASURED = [name for name, kind in KINDS.items() if kind.use != "test"]

_BROKEN_OFF = (
    *(AssertionError, StoryFailed, Refused, httpx.HTTPError),
    *(psycopg.Error, OSError, subprocess.SubprocessError),
)

Rounds: TypeAlias = dict[str, dict[str, Any]]  # by kind and seed, as "kind 7"


class _Stage:
    """A stack and its people; a new one after a round that could not be played to its end."""

    def __init__(self) -> None:
        self._opened = ExitStack()
        self._found: tuple[FaultStack, Mapping[str, Person]] | None = None

    def play(self, name: str, seed: int) -> Outcome:
        try:
            if self._found is None:
                stack = self._opened.enter_context(fault_stack(os.environ))
                self._found = stack, self._opened.enter_context(crew(stack))
            outcome = play(*self._found, KINDS[name], seed=seed, length="short" if QUICK else "long")
        except _BROKEN_OFF as exc:
            self._keep_logs(name, seed)
            self.close()
            return Outcome(f"ATELIER_FAULT_SEED={seed} {name}", [f"the round broke off: {exc!r}"], {})
        if outcome.violations:
            self._keep_logs(name, seed)
        return outcome

    def _keep_logs(self, name: str, seed: int) -> None:
        if self._found is not None:
            kept = LOGS / f"{name}-{seed}"
            shutil.copytree(self._found[0].var / "logs", kept, dirs_exist_ok=True)
            shutil.copy(self._found[0].var / "supervisor.out", kept)

    def close(self) -> None:
        self._found = None
        self._opened.close()


def _todo(played: Rounds, chosen: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Seed by seed, so that one part is not killed again before it is calm."""
    for seed in range(1, SEEDS + 1):
        for name in chosen:
            if f"{name} {seed}" not in played:
                yield name, seed


def rows() -> list[dict[str, Any]]:
    chosen = os.environ.get("KINDS", "").split()
    kept = bool(chosen or os.environ.get("RESUME")) and ROUNDS.exists()
    played: Rounds = json.loads(ROUNDS.read_text()) if kept else {}
    if not os.environ.get("RESUME"):
        played = {key: found for key, found in played.items() if key.split()[0] not in chosen}
    ROUNDS.parent.mkdir(parents=True, exist_ok=True)
    stage = _Stage()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the stack is stopped and its disk unmounted
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also in the background of a shell, which ignores it
    try:
        for name, seed in _todo(played, chosen or MEASURED):
            outcome = stage.play(name, seed)
            played[f"{name} {seed}"] = {
                "says": outcome.says,
                "violations": outcome.violations,
                "slowest_s": outcome.slowest_s,
            }
            ROUNDS.write_text(json.dumps(played, indent=1))
            print(f"  {outcome.slowest_s:5.1f} s  {outcome.says}", *outcome.violations, sep="\n    ! ", file=sys.stderr)
    finally:
        stage.close()
    return _table(played)


def _table(played: Rounds) -> list[dict[str, Any]]:
    found = []
    for name in MEASURED:
        rounds = [value for key, value in played.items() if key.split()[0] == name]
        if rounds:
            violations = sum(len(value["violations"]) for value in rounds)
            slowest_s = max(value["slowest_s"] for value in rounds)
            beside = f"{len(rounds)} seeds, slowest recovery {slowest_s:.1f} s"
            found.append(_row(name, violations, "violations", bar=0, beside=beside))
    slowest_s = max(value["slowest_s"] for value in played.values())
    return [*found, _row("slowest recovery", slowest_s, "s", bar=RECOVERY_BAR_S, beside=None)]


def _row(name: str, value: float, unit: str, *, bar: float, beside: str | None) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "bar": f"≤ {bar:g}", "ok": value <= bar, "beside": beside}
