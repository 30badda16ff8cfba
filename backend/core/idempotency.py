"""Hides how a request that is sent again has one effect: its answer is kept in the transaction of its effect.

Whoever repeats a request under the same Idempotency-Key gets the answer that the first one got. A request that was
refused had no effect and left no answer, so its repetition is a first one.

Source: draft-ietf-httpapi-idempotency-key-header-07.
"""

import hashlib
import re
import uuid
from dataclasses import dataclass
from typing import Any

import psycopg
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse

from backend.core import metrics, sealing, statements
from backend.core.errors import Conflict, InvalidInput, KeyReused, RequestInProgress

HEADER = "Idempotency-Key"
_KEY = re.compile(r"[!#-+\--:<-~]{1,255}")  # visible ASCII but quotes, commas and semicolons, which separate in headers
_KEPT_HEADERS = ("Cache-Control", "Content-Type", "ETag", "Location")

_TRY_LOCK = "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 1))"
_FIND = "SELECT digest, status, headers, body FROM core_answer WHERE person_id = %s AND key = %s"
_KEEP = """
    INSERT INTO core_answer (person_id, key, workspace_id, digest, status, headers, body)
    VALUES (%s, %s, nullif(current_setting('app.workspace', true), '')::uuid, %s, %s, %s, %s)
"""
_PRUNE = """
    DELETE FROM core_answer WHERE (person_id, key) IN (
        SELECT person_id, key FROM core_answer
        WHERE created_at < now() - make_interval(secs => %s) ORDER BY created_at LIMIT %s
    )
"""


def prune(connection: psycopg.Connection[Any], *, keep_s: int, limit: int) -> int:
    """Drop up to `limit` answers older than `keep_s`, as the role `system`; the number dropped."""
    return connection.execute(_PRUNE, [keep_s, limit]).rowcount


@dataclass(frozen=True, slots=True)
class Request:
    """A request that may be repeated: whose, under which key, and what it says."""

    person_id: uuid.UUID
    key: str
    digest: bytes

    def begin(self) -> HttpResponse | None:
        """The answer to an earlier one, or None: then answer it, and `keep` that. In the request's transaction.

        Raises:
            RequestInProgress: the first one is under way.
            KeyReused: the key came with another request.
            Conflict: what was answered can't be read any more.
        """
        with statements.cursor() as cursor:
            cursor.execute(_TRY_LOCK, [f"{self.person_id}:{self.key}"])  # until the transaction ends, however it ends
            if not cursor.fetchone()[0]:
                raise RequestInProgress("The first request with this Idempotency-Key is under way.", retry_after_s=1)
            cursor.execute(_FIND, [self.person_id, self.key])
            row = cursor.fetchone()
        if row is None:
            return None
        digest, status, headers, body = row
        if bytes(digest) != self.digest:
            raise KeyReused("This Idempotency-Key was used for another request. Make a new key for each new request.")
        try:
            content = sealing.unseal(bytes(body))
        except sealing.Unreadable as exc:
            raise Conflict("This request was answered before its answer's key was changed; read what it made.") from exc
        replay = HttpResponse(content, status=status)
        for line in headers.splitlines():
            name, _, value = line.partition(": ")
            replay[name] = value
        replay["Idempotency-Replayed"] = "true"
        metrics.IDEMPOTENT_REPLAYS.inc()
        return replay

    def keep(self, response: HttpResponse) -> None:
        """Record the answer beside its effect. It is sealed, for it may hold a ticket or a token."""
        headers = "\n".join(f"{name}: {response[name]}" for name in _KEPT_HEADERS if name in response)
        body = sealing.seal(response.content)
        try:
            with transaction.atomic(), statements.cursor() as cursor:
                cursor.execute(_KEEP, [self.person_id, self.key, self.digest, response.status_code, headers, body])
        except IntegrityError as exc:  # one that this person may not see any more: of a workspace that they left
            raise KeyReused from exc


def of(request: HttpRequest, person_id: uuid.UUID, token_id: uuid.UUID | None) -> Request | None:
    """The request as one that may be repeated, or None without the header.

    A token's requests are its own: what it may not do it can't have replayed. Raises InvalidInput for a malformed key.
    """
    header = request.headers.get(HEADER)
    if header is None:
        return None
    key = header[1:-1] if len(header) > 1 and header[0] == header[-1] == '"' else header
    if not _KEY.fullmatch(key):
        raise InvalidInput("An Idempotency-Key has 1 to 255 visible ASCII characters.", field=HEADER)
    said = hashlib.sha256(f"{token_id} {request.method} {request.get_full_path()}\n".encode())
    said.update(request.body)
    return Request(person_id, key, said.digest())
