"""The status of the stack as it runs, while something is open, and when its parts are away."""

import asyncio
import json
import signal
import subprocess
import sys
from typing import Any

import httpx
import pytest

from backend.core import ids
from backend.embedded.parts import PARTS
from backend.embedded.plan import ROOT
from tests.backend.operations.conftest import NOWHERE, SECRETS, Manage, addresses, patiently
from tests.collab.ysocket import YSocket
from tests.conftest import CLEAN_ENVIRONMENT, Stack, Studio


def test_all_of_it_is_seen(manage: Manage) -> None:
    """Every part with its latency, both leaders, a worker, what waits, and the processes with their memory."""
    said = patiently(manage, "status", "--json")
    assert said.code == 0, said.out
    now = said.document
    assert {part["name"] for part in now["parts"]} == {"web", "database", "valkey", "s3", "triton"}
    assert all(part["latency_ms"] > 0 for part in now["parts"])
    assert now["leads"] == {"relay": True, "learner": True}
    assert len(now["workers"]) == 1
    assert now["outbox"]["events"] >= 0
    assert now["learner_lag_s"] >= 0
    assert set(now["jobs"]) == {"queued", "running", "succeeded", "failed", "cancelled", "expired"}
    assert {process["name"] for process in now["processes"]} == {part.name for part in PARTS}
    assert all(process["memory_mb"] > 1 for process in now["processes"])


def test_as_lines_for_people(manage: Manage) -> None:
    """One line each."""
    said = manage("status")
    words = [line.split()[0] for line in said.out.splitlines() if line]
    assert words[:7] == ["web", "database", "valkey", "s3", "triton", "relay", "learner"]
    assert "all" in words


@pytest.fixture
def ticket(studio: Studio, live_api: Any) -> str:
    answer = live_api(studio.ada).post(f"/api/v1/documents/{ids.show('doc', studio.board.pk)}/tickets")
    return str(answer.json()["ticket"])


async def test_what_is_open_is_counted(stack: Stack, studio: Studio, ticket: str, manage: Manage) -> None:
    """Rooms and sockets come from the web's own metrics."""
    socket = await YSocket().open(f"{stack.ws_url}/collab/{studio.board_id}?ticket={ticket}")
    await socket.synced.wait()
    # In a thread: the socket must go on answering pings.
    now = (await asyncio.to_thread(patiently, manage, "status", "--json")).document
    await socket.close()
    assert now["web"]["rooms"] >= 1
    assert now["web"]["sockets"] >= 1


def test_parts_that_are_away(manage: Manage) -> None:
    """Exit code 1; what can't be seen is null, and nothing private is said."""
    said = manage("status", "--json", **addresses(NOWHERE))
    assert said.code == 1
    now = said.document
    assert all(part["latency_ms"] is None and part["error"] for part in now["parts"])
    assert [now[name] for name in ("workers", "leads", "outbox", "learner_lag_s", "jobs", "web")] == [None] * 6
    assert not [secret for secret in SECRETS if secret in said.out + said.err]


def test_watching_goes_on_until_it_is_told(stack: Stack) -> None:
    """A document a line; Ctrl-C ends it without a fuss."""
    environment = {**CLEAN_ENVIRONMENT, **stack.plan.settings(), "ATELIER_VAR": str(stack.plan.var)}
    command = [sys.executable, "manage.py", "status", "--json", "--watch", "0.1"]
    with subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        seen = [json.loads(watching.stdout.readline()) for _ in range(2)]
        watching.send_signal(signal.SIGINT)
        assert watching.wait(20) == 0
    assert all(one["parts"] for one in seen)


def test_it_bears_the_token(stack: Stack, manage: Manage) -> None:
    """A web that shows its metrics to a token alone is read with it; here none is asked for, and it does no harm."""
    assert httpx.get(f"{stack.base_url}/metrics").status_code == 200
    assert patiently(manage, "status", "--json", METRICS_TOKEN="a-long-token-of-ours").document["web"] is not None
