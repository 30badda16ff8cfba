"""A real tritonserver of these tests' own, on a free port with a scratch folder; no other part of the stack runs."""

from collections.abc import Iterator

import pytest

from inference.client import Client
from tests.inference.tritonserver import Triton, await_ready


@pytest.fixture(scope="session")
def session_triton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Triton]:
    triton = Triton(tmp_path_factory.mktemp("inference"))
    triton.start()
    yield triton
    triton.stop()


@pytest.fixture(scope="session")
def session_client(session_triton: Triton) -> Iterator[Client]:
    client = Client(session_triton.url, in_flight=3)
    await_ready(client)
    yield client
    client.close()


@pytest.fixture
def triton(session_triton: Triton, session_client: Client) -> Triton:
    """Ready, whatever the test before has done to it."""
    await_ready(session_client)
    return session_triton


@pytest.fixture
def client(triton: Triton, session_client: Client) -> Client:
    return session_client
