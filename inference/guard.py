"""Hides a fault of Triton's Python backend: a model's process that crashed is never started again.

Runs beside `tritonserver` as its child (`python -I -S guard.py PID`) and ends it by SIGKILL when one of its models has
crashed, so that its supervisor starts it anew; meanwhile the client tries again. When the server itself was killed, the
models' processes go too: one that was asking it something would wait for ever. Imports the least there is.
"""

import os
import signal
import sys
import time

_POLL_S = 0.25
_MODEL = "triton_python_b"  # the kernel keeps 15 characters of a program's name


def models(server: int) -> dict[int, str]:
    """The server's model processes and their states; Z is one that ended and that the server has not buried."""
    children: list[str] = []
    with os.scandir(f"/proc/{server}/task") as threads:
        for thread in threads:
            with open(f"{thread.path}/children") as file:
                children += file.read().split()
    return {int(child): state for child in children if (state := _state(child))}


def _state(child: str) -> str:
    """Empty for what is no model, or is gone."""
    try:
        with open(f"/proc/{child}/stat") as file:
            name, _, rest = file.read().partition("(")[2].rpartition(")")
    except OSError:
        return ""
    return rest.split()[0] if name == _MODEL else ""


def watch(server: int) -> None:
    """Return when the server has ended, by itself or by us."""
    known: dict[int, str] = {}
    while os.getppid() == server:
        try:
            now = models(server)
        except OSError:
            continue  # the server, or a thread of it, ended while we looked
        if any(state == known.get(child) == "Z" for child, state in now.items()):
            # Seen twice: a model that is being unloaded is a zombie for a moment.
            sys.stderr.write('{"event": "triton.model_crashed", "level": "error"}\n')
            os.kill(server, signal.SIGKILL)
        known = now
        time.sleep(_POLL_S)
    for child in known:
        if _state(str(child)):
            os.kill(child, signal.SIGKILL)


if __name__ == "__main__":
    watch(int(sys.argv[1]))
