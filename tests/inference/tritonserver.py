"""A real tritonserver that tests and benches start, kill and start again, as a supervisor would."""

import signal
import subprocess
import time
from pathlib import Path

import psutil

from backend.embedded.plan import free_ports
from inference import server
from inference.client import Client


class Triton:
    """The server as a supervisor sees it: started, killed, started again on the same ports."""

    def __init__(self, var: Path) -> None:
        self.var = var
        self.log = var / "triton.log"
        self.grpc_port, self.metrics_port = free_ports(2)
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

    def models(self) -> list[int]:
        """The process ids of the server's Python processes."""
        assert self.process is not None
        children = psutil.Process(self.process.pid).children()
        return [child.pid for child in children if child.name().startswith("triton_python")]

    def restart_when_ended(self) -> None:
        """What a supervisor does; returns when it is started again."""
        assert self.process is not None
        self.process.wait(timeout=30)
        self.start()

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
