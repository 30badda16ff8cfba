"""The web process before ASGI: a head that never ends, in bytes or in time, and what is no HTTP at all."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from backend.embedded.plan import HOST, ROOT, accepts, free_port
from tests.conftest import Stack

HEAD_BYTES, PATIENCE_S = 4096, 1.0


@pytest.fixture(scope="module")
def port(stack: Stack) -> Iterator[int]:
    """A web process of its own, with little patience."""
    port = free_port(taken=set())
    environment = {**os.environ, "MAX_HEADER_BYTES": str(HEAD_BYTES), "REQUEST_TIMEOUT_S": str(PATIENCE_S)}
    argv = [sys.executable, "-m", "backend.serve", "--host", HOST, "--port", str(port)]
    process = subprocess.Popen(argv, cwd=ROOT, env=environment)
    end = time.monotonic() + 60
    while not accepts(port):
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.05)
    yield port
    process.terminate()
    process.wait(20)


def answer(connection: socket.socket) -> tuple[int, Any]:
    """The status and the problem; then the server has hung up."""
    received = b""
    while chunk := connection.recv(65536):
        received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


def trickle(connection: socket.socket, data: bytes) -> None:
    """Send it again and again, for ten seconds at the least."""
    for _ in range(10_000):
        connection.sendall(data)
        time.sleep(0.001)


def test_a_head_without_end_is_cut_off(port: int) -> None:
    """It is refused when it passes the limit, though its last line has not come."""
    with socket.create_connection((HOST, port), timeout=20) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")
        for number in range(HEAD_BYTES // 100):
            connection.sendall(f"X-{number}: {'x' * 95}\r\n".encode())
            time.sleep(0.001)
        status, problem = answer(connection)
    assert (status, problem["code"]) == (431, "headers_too_large")


def test_a_head_that_trickles_is_cut_off(port: int) -> None:
    """408 when the time is up, however small what came is."""
    began = time.monotonic()
    with socket.create_connection((HOST, port), timeout=20) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost:")
        status, problem = answer(connection)
    assert (status, problem["code"]) == (408, "request_timeout")
    assert PATIENCE_S * 0.9 < time.monotonic() - began < 15


def test_who_says_nothing_is_let_go(port: int) -> None:
    """A connection on which nothing is asked is closed without an answer."""
    with socket.create_connection((HOST, port), timeout=20) as connection:
        assert connection.recv(1) == b""


def test_what_is_no_http_is_a_problem(port: int) -> None:
    """400 with a code, as for any other error."""
    with socket.create_connection((HOST, port), timeout=20) as connection:
        connection.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        status, problem = answer(connection)
    assert (status, problem["code"]) == (400, "bad_request")


def test_a_body_that_trickles_is_cut_off(port: int) -> None:
    """The head is there, the body is not: 408 as well."""
    with socket.create_connection((HOST, port), timeout=20) as connection:
        connection.sendall(b"POST /api/v1/me/tokens HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\n\r\nx")
        status, problem = answer(connection)
    assert (status, problem["code"]) == (408, "request_timeout")


def test_several_requests_on_one_connection(port: int) -> None:
    """Keep-alive works on past the time of a head, for each head has its own."""
    request = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    with socket.create_connection((HOST, port), timeout=20) as connection:
        for _ in range(3):
            connection.sendall(request)
            said = b""
            while not said.endswith(b"\r\n0\r\n\r\n"):  # it comes in more than one piece where the machine is busy
                said += connection.recv(65536)
            assert said.startswith(b"HTTP/1.1 200")
            time.sleep(PATIENCE_S * 0.7)


def test_an_answer_that_nobody_reads_ends(port: int) -> None:
    """A client that asks and asks and reads nothing loses its connection, and others are served meanwhile."""
    with socket.create_connection((HOST, port), timeout=20) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.setblocking(False)
        request = b"GET /docs/errors HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        end = time.monotonic() + 30
        while time.monotonic() < end:
            try:
                deaf.send(request * 20)
            except BlockingIOError:
                time.sleep(0.05)
            except (ConnectionResetError, BrokenPipeError):
                break
        else:
            raise AssertionError("it was never cut off")
    with socket.create_connection((HOST, port), timeout=20) as other:
        other.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        assert other.recv(65536).startswith(b"HTTP/1.1 200")


def test_trailers_without_end_are_cut_off(port: int) -> None:
    """What follows a chunked body is not kept, and ends the connection when it passes the limit of headers."""
    with socket.create_connection((HOST, port), timeout=20) as connection:
        connection.sendall(b"POST /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n")
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            trickle(connection, b"a: bcdefgh\r\n" * 10)
