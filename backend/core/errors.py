"""The error tree: each class has a stable `code`, the HTTP status and the WebSocket close code that it becomes.

AppError
├── NotSignedIn         401  not_signed_in      4401
├── Forbidden           403  forbidden          4403
├── NotFound            404  not_found          4404
│   └── InvalidId       404  not_found          4404
├── Conflict            409  conflict           4409
├── Gone                410  gone               4404
├── TooLarge            413  too_large          4413
├── Unsupported         415  unsupported_media  4400
├── InvalidInput        422  invalid_input      4400
├── RateLimited         429  rate_limited       4429
└── PartUnavailable     503  part_unavailable   1013

Rooms add their own codes in an `errors.py` of their own. Source: RFC 9457; RFC 6455, section 7.4.
"""

from typing import ClassVar


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


class NotSignedIn(AppError):
    code, status, title, close_code = "not_signed_in", 401, "Sign in first", 4401


class Forbidden(AppError):
    code, status, title, close_code = "forbidden", 403, "Your role does not allow this", 4403


class NotFound(AppError):
    code, status, title, close_code = "not_found", 404, "There is no such thing, or it is not yours to see", 4404


class InvalidId(NotFound):
    """An id of the wrong form or kind names nothing, so it answers as what is not there."""


class Conflict(AppError):
    code, status, title, close_code = "conflict", 409, "This clashes with what is there", 4409


class Gone(AppError):
    code, status, title, close_code = "gone", 410, "This has expired", 4404


class TooLarge(AppError):
    code, status, title, close_code = "too_large", 413, "This is larger than the limit", 4413


class Unsupported(AppError):
    code, status, title, close_code = "unsupported_media", 415, "This kind of file is not supported", 4400


class InvalidInput(AppError):
    code, status, title, close_code = "invalid_input", 422, "Something in the input is not right", 4400


class RateLimited(AppError):
    code, status, title, close_code = "rate_limited", 429, "Too many requests", 4429


class PartUnavailable(AppError):
    """A part of the system is away for now. Give `part`: "triton", "s3", "valkey" or "database"."""

    code, status, title, close_code = "part_unavailable", 503, "A part of the system is away for now", 1013
