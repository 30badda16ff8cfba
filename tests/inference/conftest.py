"""A real tritonserver of these tests' own, on a free port with a scratch folder; no other part of the stack runs."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from inference import server
from inference.client import Client


class Triton:
    """The server as a supervisor sees it: started, killed, started again on the same ports."""

    def __init__(self, var: Path) -> None:
        self.var = var
        self.log = var / "triton.log"
        self.grpc_port, self.metrics_port = _free_port(), _free_port()
        self.url = f"127.0.0.1:{self.grpc_port}"
        self.process: subprocess.Popen[bytes] | None = None
        server.build(var)

    def start(self) -> None:
        argv, environment = server.command(self.var, grpc_port=self.grpc_port, metrics_port=self.metrics_port)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(argv, env=environment, stdout=log, stderr=log)

    def kill(self) -> None:
        """kill -9, as a crash would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def stubs(self) -> list[int]:
        """The process ids of the server's Python processes."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        every = [path.read_text().split() for path in children.parent.parent.glob("*/children")]
        return [int(pid) for pids in every for pid in pids]

    def stop(self) -> None:
        assert self.process is not None
        self.process.terminate()
        self.process.wait(timeout=20)


def await_ready(client: Client, *, timeout_s: float = 60.0) -> float:
    """How long it took."""
    began = time.monotonic()
    while not client.ready(2.0):
        assert time.monotonic() < began + timeout_s, "Triton did not come up"
        time.sleep(0.1)
    return time.monotonic() - began


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def session_triton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Triton]:
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    triton = Triton(tmp_path_factory.mktemp("inference"))
    triton.start()
    yield triton
    triton.stop()


@pytest.fixture(scope="session")
def session_client(session_triton: Triton) -> Iterator[Client]:
    client = Client(session_triton.url)
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
