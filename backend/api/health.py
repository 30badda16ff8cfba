"""Whether the process lives (/healthz) and which parts it reaches (/readyz)."""

import socket
from collections.abc import Callable
from contextlib import closing
from urllib.parse import urlsplit

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse

from backend.core import valkey

TIMEOUT_S = 2.0


def healthz(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "ok"})


def readyz(request: HttpRequest) -> JsonResponse:
    """503 only when PostgreSQL is away: without the other parts the rest goes on."""
    parts = {name: probe() for name, probe in PROBES.items()}
    return JsonResponse({"parts": parts}, status=200 if parts["database"] else 503)


def _database() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return False
    return True


def _valkey() -> bool:
    try:
        return bool(valkey.client().ping())
    except redis.RedisError:
        return False


def _listens(address: str) -> Callable[[], bool]:
    parts = urlsplit(address if "//" in address else f"//{address}")

    def probe() -> bool:
        try:
            with closing(socket.create_connection((parts.hostname or "", parts.port or 80), TIMEOUT_S)):
                return True
        except OSError:
            return False

    return probe


PROBES: dict[str, Callable[[], bool]] = {
    "database": _database,
    "valkey": _valkey,
    "s3": _listens(settings.S3_ENDPOINT_URL),
    "triton": _listens(settings.TRITON_URL),
}
