"""Hides the stack that a measurement runs on: its own, started for it, without the parts that it does not need."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

from backend.embedded import plan as plans
from backend.embedded.progress import Silent
from backend.embedded.supervisor import Supervisor


@contextmanager
def scratch(*, without: Sequence[str]) -> Iterator[Supervisor]:
    """A stack with the demo workspace, under a folder that goes with it."""
    with tempfile.TemporaryDirectory(prefix="atelier-bench-") as folder:
        var = Path(folder)
        var.chmod(0o755)  # PostgreSQL walks through it as another user
        with plans.held(var):
            plan = plans.load(var, web_port=None, demo=True)
            plan.write_settings()
            supervisor = Supervisor(plan, without=without, progress=Silent())
            try:
                supervisor.start()
                yield supervisor
            finally:
                supervisor.stop()


def environment(plan: plans.Plan) -> dict[str, str]:
    """What a process of ours on that stack reads. No limit of requests is reached."""
    return {
        **os.environ,
        **plan.settings(),
        "ATELIER_VAR": str(plan.var),
        "DJANGO_SETTINGS_MODULE": "backend.settings",
        **dict.fromkeys(("RATE_PERSON_PER_MIN", "RATE_TOKEN_PER_MIN", "RATE_WORKSPACE_PER_MIN"), "10000000"),
    }


@contextmanager
def signed_in(*, without: Sequence[str]) -> Iterator[httpx.Client]:
    """Ada's client of the demo workspace."""
    with scratch(without=without) as supervisor, httpx.Client(base_url=supervisor.plan.url, timeout=60.0) as ada:
        ada.get(supervisor.links["Ada"])
        ada.cookies.set("csrftoken", "b" * 32)
        ada.headers.update({"X-CSRFToken": "b" * 32, "Origin": supervisor.plan.url})
        yield ada
