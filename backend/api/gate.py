"""Stands before Django: bounds what a request may hold and how long it may take to come and its answer to go.

Django would read a body of any size into a file before it looks at it, and wait for ever for a client that reads
nothing.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog
from django.conf import settings
from django.http.request import split_domain_port, validate_host

from backend.api.problems import as_body
from backend.core import metrics
from backend.core.errors import AppError, BadRequest, HeadersTooLarge, RequestTimeout, TooLarge

log = structlog.get_logger()

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

# Probes and scrapers come by the address of a machine or a pod.
ANY_HOST = frozenset({"/healthz", "/readyz", "/metrics"})
DRAIN_S, DRAIN_BYTES = 1.0, 8 * 1024 * 1024  # of a refused body: so that its sender gets to read why


def gate(application: Application) -> Application:
    """`application` behind the gate. It gets each body whole, in one message."""

    async def gated(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            _check(scope)
            body = await _read(receive)
        except AppError as refusal:
            metrics.HTTP_REFUSED.labels(refusal.code).inc()
            log.info("http.refused", code=refusal.code)
            await _refuse(refusal, send)
            await _drain(receive)
            return await send({"type": "http.response.body"})
        if body is not None:
            await _serve(application, scope, _first(body, receive), send)

    return gated


def _check(scope: Scope) -> None:
    """Raises: HeadersTooLarge, BadRequest, TooLarge."""
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    size = len(scope["raw_path"]) + len(scope["query_string"]) + sum(len(name) + len(value) for name, value in headers)
    if size > settings.MAX_HEADER_BYTES:
        raise HeadersTooLarge(f"The address and the headers may have {settings.MAX_HEADER_BYTES} bytes.")
    hosts = [value.decode("latin-1") for name, value in headers if name == b"host"]
    if scope["path"] not in ANY_HOST and not (len(hosts) == 1 and _is_ours(hosts[0])):
        raise BadRequest("Host is not one that this studio answers to: see ATELIER_HOSTS.", field="Host")
    lengths = {value for name, value in headers if name == b"content-length"}
    if len(lengths) > 1 or not all(length.isdigit() for length in lengths):
        raise BadRequest("Content-Length is not one number.")
    if any(int(length) > settings.MAX_BODY_BYTES for length in lengths):
        raise _too_large()


def _is_ours(host: str) -> bool:
    # A page of another site may let its own name lead here, and would then read what we answer.
    domain, _port = split_domain_port(host)
    return bool(domain) and validate_host(domain, settings.ALLOWED_HOSTS)


def _too_large() -> TooLarge:
    return TooLarge(f"A body may have {settings.MAX_BODY_BYTES} bytes.", max_bytes=settings.MAX_BODY_BYTES)


async def _read(receive: Receive) -> bytes | None:
    """The body; None when the client left. Raises: TooLarge, RequestTimeout."""
    chunks, size = [], 0
    try:
        async with asyncio.timeout(settings.REQUEST_TIMEOUT_S):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return None
                chunks.append(message.get("body", b""))
                size += len(chunks[-1])
                if size > settings.MAX_BODY_BYTES:
                    raise _too_large()
                if not message.get("more_body"):
                    return b"".join(chunks)
    except TimeoutError as exc:
        raise RequestTimeout(f"The body did not arrive within {settings.REQUEST_TIMEOUT_S:g} s.") from exc


def _first(body: bytes, receive: Receive) -> Receive:
    """The body as the first message; then what the server says, which is that the client left."""
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def received() -> Mapping[str, Any]:
        return waiting.pop() if waiting else await receive()

    return received


async def _serve(application: Application, scope: Scope, receive: Receive, send: Send) -> None:
    async def within_time(message: Mapping[str, Any]) -> None:
        async with asyncio.timeout(settings.REQUEST_TIMEOUT_S):
            await send(message)

    try:
        await application(scope, receive, within_time)
    except TimeoutError:
        log.info("http.client_reads_nothing")  # the server hangs up on an answer that has no end


async def _refuse(refusal: AppError, send: Send) -> None:
    body = json.dumps(as_body(refusal)).encode()
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": True})


async def _drain(receive: Receive) -> None:
    size = 0
    try:
        async with asyncio.timeout(DRAIN_S):
            while size < DRAIN_BYTES:
                message = await receive()
                if message["type"] == "http.disconnect" or not message.get("more_body"):
                    return
                size += len(message["body"])
    except TimeoutError:
        return
