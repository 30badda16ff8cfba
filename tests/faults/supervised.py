"""The supervisor's process of a stack that faults are made on: the real parts, with two things changed around them.

The web process reaches Valkey through the port ATELIER_FAULT_VALKEY_PORT, so that this one link can be cut; and our own
processes read the clock through clock.so of the folder ATELIER_FAULT_CLOCKS, which has a file for each, so that it can
jump.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from backend.embedded.__main__ import run
from backend.embedded.children import Command
from backend.embedded.parts import PARTS, Part
from backend.embedded.plan import HOST, Plan, StackError

PR_SET_PDEATHSIG = 1


def changed_parts() -> Sequence[Part]:
    return [_with(part, _changes(part.name)) if part.layer == 1 else part for part in PARTS]


def _changes(name: str) -> Mapping[str, str]:
    found = {}
    if name == "web":
        found["VALKEY_URL"] = f"redis://{HOST}:{os.environ['ATELIER_FAULT_VALKEY_PORT']}/0"
    if clocks := os.environ.get("ATELIER_FAULT_CLOCKS"):
        found |= {"LD_PRELOAD": str(Path(clocks, "clock.so")), "ATELIER_FAULT_CLOCK": str(Path(clocks, name))}
    return found


def _with(part: Part, environment: Mapping[str, str]) -> Part:
    def command(plan: Plan) -> Command:
        given = part.command(plan)
        return replace(given, env={**given.env, **environment})

    return replace(part, command=command)


def main() -> int:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)  # a test that is killed leaves no stack behind
    try:
        return run(without=[], port=int(os.environ["ATELIER_PORT"]), parts=changed_parts())
    except StackError as exc:
        print(f"\n{exc}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
