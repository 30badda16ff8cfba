"""Hides Node: stock y-websocket clients as processes that Python drives by JSON lines."""

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from backend.core import tenancy
from backend.projects.models import Document
from backend.projects.services import issue_ticket
from backend.workspaces.models import Person
from tests.conftest import Stack
from tests.contract.packages import HERE, NODE, install_packages


class StockClient:
    """One Node process with one provider of y-websocket."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [str(NODE), str(HERE / "client.mjs")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __call__(self, op: str, **arguments: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"op": op, **arguments}) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()


@pytest.fixture(scope="session")
def _packages() -> None:
    install_packages()


@pytest.fixture
def stock(_packages: None) -> Iterator[Callable[[], StockClient]]:
    """`stock()`: a new Node process with a stock client in it."""
    with ExitStack() as started:

        def start() -> StockClient:
            client = StockClient()
            started.callback(client.close)
            return client

        yield start


@pytest.fixture
def ticket(stack: Stack) -> Callable[[Document, Person], str]:
    """`ticket(document, person)`: what `POST …/tickets` gives."""

    def issue(document: Document, person: Person) -> str:
        with tenancy.acting(person_id=person.pk, workspace_id=document.workspace_id):
            secret, _ = issue_ticket(document, person_id=person.pk)
        return secret

    return issue
