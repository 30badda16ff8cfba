"""The gate before Django, through the real server: sizes and times are bounded, and each refusal is a problem."""

import json
import socket
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from django.conf import settings

from tests.conftest import Stack, Studio

LiveApi = Callable[[Any], httpx.Client]


def raw(stack: Stack, request: bytes, *, timeout_s: float = 20.0) -> tuple[int, dict[str, str], Any]:
    """Send bytes as they are; status, headers and the problem that came back."""
    host, _, port = stack.base_url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=timeout_s) as connection:
        connection.sendall(request)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
    return int(lines[0].split()[1]), headers, json.loads(body)


def post(stack: Stack, *headers: str, body: bytes = b"") -> tuple[int, dict[str, str], Any]:
    lines = ["POST /api/v1/projects/prj_x/documents HTTP/1.1", "Host: 127.0.0.1", *headers]
    return raw(stack, "\r\n".join(lines).encode() + b"\r\n\r\n" + body)


def test_a_body_above_the_limit_is_refused_unread(stack: Stack) -> None:
    """By its announced length, before a byte of it is read."""
    status, headers, problem = post(stack, f"Content-Length: {settings.MAX_BODY_BYTES + 1}")
    assert (status, problem["code"], headers["content-type"]) == (413, "too_large", "application/problem+json")
    assert headers["connection"] == "close"


def test_a_body_that_grows_above_the_limit_is_refused(studio: Studio, live_api: LiveApi) -> None:
    """Without an announced length it is counted as it comes; its sender gets to read why it was refused."""
    chunks = (b"x" * 65536 for _ in range(settings.MAX_BODY_BYTES // 65536 + 8))
    answer = live_api(studio.ada).post(f"/api/v1/projects/{studio.project_id}/documents", content=chunks)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


@pytest.mark.parametrize(
    "headers",
    [["Cookie: " + "x" * 40_000], [f"X-Filler-{number}: {'x' * 1000}" for number in range(40)]],
    ids=["one", "many"],
)
def test_headers_above_the_limit_are_refused(stack: Stack, headers: list[str]) -> None:
    """431 with a code, however they add up."""
    status, _, problem = post(stack, *headers, "Content-Length: 0")
    assert (status, problem["code"]) == (431, "headers_too_large")


def test_an_address_above_the_limit_is_refused(stack: Stack) -> None:
    """The query counts as the headers do."""
    status, _, problem = raw(stack, b"GET /api/v1/me?q=" + b"x" * 40_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    assert (status, problem["code"]) == (431, "headers_too_large")


def test_a_body_at_the_limit_is_read(studio: Studio, live_api: LiveApi) -> None:
    """The limit itself is allowed: what refuses it is its content."""
    body = b'{"name": "' + b"x" * (settings.MAX_BODY_BYTES - 12) + b'"}'
    assert len(body) == settings.MAX_BODY_BYTES
    headers = {"Content-Type": "application/json"}
    answer = live_api(studio.ada).post(f"/api/v1/projects/{studio.project_id}/documents", content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")


def test_other_requests_go_on_beside_a_slow_one(stack: Stack, studio: Studio, live_api: LiveApi) -> None:
    """A body that trickles holds its own connection and nothing else."""
    host, _, port = stack.base_url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=20) as slow:
        slow.sendall(b"POST /api/v1/me HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\n\r\nx")
        began = time.monotonic()
        assert live_api(studio.ada).get("/api/v1/me").status_code == 200
        assert time.monotonic() - began < settings.REQUEST_TIMEOUT_S / 2
