"""Hides a fault of Triton's Python backend: a model's process that crashed is never started again.

Runs beside `tritonserver` as its child (`python -I -S guard.py PID`) and ends it by SIGKILL when one of its models has
crashed, so that its supervisor starts it anew; meanwhile the client tries again. Imports the least there is.
"""

import os
import signal
import sys
import time

_POLL_S = 0.25
_MODEL = "triton_python_b"  # the kernel keeps 15 characters of a program's name


def crashed_models(server: int) -> set[int]:
    """The model processes that ended and that the server has not buried, as it does with one that it unloads."""
    children: list[str] = []
    with os.scandir(f"/proc/{server}/task") as threads:
        for thread in threads:
            with open(f"{thread.path}/children") as file:
                children += file.read().split()
    return {int(child) for child in children if _is_crashed(child)}


def _is_crashed(child: str) -> bool:
    try:
        with open(f"/proc/{child}/stat") as file:
            name, _, rest = file.read().partition("(")[2].rpartition(")")
    except FileNotFoundError:
        return False  # gone between two looks
    return name == _MODEL and rest.split()[0] == "Z"


def watch(server: int) -> None:
    """Return when the server has ended, by itself or by us."""
    before: set[int] = set()
    while os.getppid() == server:
        try:
            now = crashed_models(server)
        except OSError:
            continue  # the server, or a thread of it, ended while we looked
        if now & before:  # twice: a model that is being unloaded is a zombie for a moment
            sys.stderr.write('{"event": "triton.model_crashed", "level": "error"}\n')
            os.kill(server, signal.SIGKILL)
            return
        before = now
        time.sleep(_POLL_S)


if __name__ == "__main__":
    watch(int(sys.argv[1]))
