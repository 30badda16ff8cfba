"""The error tree: each class has a stable `code`, the HTTP status and the WebSocket close code that it becomes.

AppError
├── BadRequest              400  bad_request               4400
├── NotSignedIn             401  not_signed_in             4401
├── Forbidden               403  forbidden                 4403
├── NotFound                404  not_found                 4404
│   └── InvalidId           404  not_found                 4404
├── MethodNotAllowed        405  method_not_allowed        4400
├── RequestTimeout          408  request_timeout           4400
├── Conflict                409  conflict                  4409
│   └── RequestInProgress   409  request_in_progress       4409
├── Gone                    410  gone                      4404
├── PreconditionFailed      412  precondition_failed       4409
├── TooLarge                413  too_large                 4413
├── Unsupported             415  unsupported_media         4400
├── InvalidInput            422  invalid_input             4400
│   └── KeyReused           422  idempotency_key_reused    4400
├── PreconditionRequired    428  precondition_required     4400
├── RateLimited             429  rate_limited              4429
├── HeadersTooLarge         431  headers_too_large         4400
└── PartUnavailable         503  part_unavailable          1013

Rooms add their own codes in an `errors.py` of their own. Source: RFC 9457; RFC 6455, section 7.4.
"""

from collections.abc import Iterable
from itertools import islice
from typing import ClassVar, Self

MAX_FIELDS, MAX_FIELD = 20, 200  # told of in one problem; characters of each


class AppError(Exception):
    """An answer that a client can act on. `extra` joins the problem's members: never secret, never content."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Something went wrong"
    close_code: ClassVar[int] = 1011

    def __init__(self, detail: str = "", **extra: object) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.extra = extra


class BadRequest(AppError):
    """The request can't be read: no valid JSON, a malformed header."""

    code, status, title, close_code = "bad_request", 400, "The request can't be read", 4400


class NotSignedIn(AppError):
    code, status, title, close_code = "not_signed_in", 401, "Sign in first", 4401


class Forbidden(AppError):
    code, status, title, close_code = "forbidden", 403, "Your role does not allow this", 4403


class NotFound(AppError):
    code, status, title, close_code = "not_found", 404, "There is no such thing, or it is not yours to see", 4404


class InvalidId(NotFound):
    """An id of the wrong form or kind names nothing, so it answers as what is not there."""


class MethodNotAllowed(AppError):
    """The address is right and the method is not; the header `Allow` names those that are."""

    code, status, title, close_code = "method_not_allowed", 405, "This address does not take this method", 4400


class RequestTimeout(AppError):
    """The request did not arrive in time. Send it again."""

    code, status, title, close_code = "request_timeout", 408, "The request took too long to arrive", 4400


class Conflict(AppError):
    code, status, title, close_code = "conflict", 409, "This clashes with what is there", 4409


class RequestInProgress(Conflict):
    """The first request with this Idempotency-Key still runs. Repeat yours after `Retry-After`: you get its answer."""

    code, title = "request_in_progress", "The same request is under way"


class Gone(AppError):
    code, status, title, close_code = "gone", 410, "This has expired", 4404


class PreconditionFailed(AppError):
    """It was changed since you read it: read it again, look at what changed, and send its new ETag."""

    code, status, title, close_code = "precondition_failed", 412, "It was changed meanwhile", 4409


class TooLarge(AppError):
    code, status, title, close_code = "too_large", 413, "This is larger than the limit", 4413


class Unsupported(AppError):
    code, status, title, close_code = "unsupported_media", 415, "This kind of file is not supported", 4400


class InvalidInput(AppError):
    code, status, title, close_code = "invalid_input", 422, "Something in the input is not right", 4400

    @classmethod
    def of(cls, found: Iterable[tuple[tuple[object, ...], str]]) -> Self:
        """What is wrong, each with the way to it: never the value itself. The first few, for input has no end."""
        fields = [
            {"field": ".".join(map(str, way))[:MAX_FIELD], "detail": detail[:MAX_FIELD]}
            for way, detail in islice(found, MAX_FIELDS)
        ]
        return cls("; ".join(f"{field['field']}: {field['detail']}" for field in fields), fields=fields)


class KeyReused(InvalidInput):
    """Make a new Idempotency-Key for each new request; repeat a key only with the same body at the same address."""

    code, title = "idempotency_key_reused", "This Idempotency-Key was used for another request"


class PreconditionRequired(AppError):
    """Send the ETag that you read as `If-Match`, so that you don't undo what somebody else changed meanwhile."""

    code, status, title, close_code = "precondition_required", 428, "A change needs If-Match", 4400


class RateLimited(AppError):
    """Wait for `Retry-After` seconds; the header `RateLimit` says what is left before it comes to this."""

    code, status, title, close_code = "rate_limited", 429, "Too many requests", 4429


class HeadersTooLarge(AppError):
    """Send shorter headers, fewer cookies, or a shorter address."""

    code, status, title, close_code = "headers_too_large", 431, "The headers are larger than the limit", 4400


class PartUnavailable(AppError):
    """A part of the system is away for now. Give `part`: "triton", "s3", "valkey", "database" or "scratch"."""

    code, status, title, close_code = "part_unavailable", 503, "A part of the system is away for now", 1013
