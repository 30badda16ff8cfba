"""Whether the process lives (/healthz) and which parts it reaches (/readyz)."""

import socket
from collections.abc import Callable
from contextlib import closing
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connection
from django.http import HttpRequest, JsonResponse

from backend.core import beside, valkey

PROBE_S = 1.0  # of a connection; half of what all of them may take
TIMEOUT_S = 2.0


def healthz(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "ok"})


def readyz(request: HttpRequest) -> JsonResponse:
    """503 only when PostgreSQL is away: without the other parts the rest goes on. Answers within TIMEOUT_S."""
    answers = beside.ask_all(PROBES, timeout_s=TIMEOUT_S)
    parts = {name: answer.value is True for name, answer in answers.items()}
    return JsonResponse({"parts": parts}, status=200 if parts["database"] else 503)


def _database() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return True


def _valkey() -> bool:
    return bool(valkey.client().ping())


def _listens(address: str) -> Callable[[], bool]:
    parts = urlsplit(address if "//" in address else f"//{address}")
    port = parts.port or {"https": 443}.get(parts.scheme, 80)

    def probe() -> bool:
        with closing(socket.create_connection((parts.hostname or "", port), PROBE_S)):
            return True

    return probe


PROBES: dict[str, Callable[[], bool]] = {
    "database": _database,
    "valkey": _valkey,
    "s3": _listens(settings.S3_ENDPOINT_URL),
    "triton": _listens(settings.TRITON_URL),
}
