"""Carries the W3C trace context of the act that is under way through threads, tasks and messages.

Source: W3C Trace Context, level 1, section 3.2.
"""

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_current: ContextVar[str | None] = ContextVar("traceparent", default=None)
_FORM = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def current_or_none() -> str | None:
    return _current.get()


def current() -> str:
    """The traceparent of this act; begins a trace where none is under way."""
    value = _current.get()
    if value is None:
        value = f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"
        _current.set(value)
    return value


@contextmanager
def continued(traceparent: str | None) -> Iterator[str]:
    """Work inside the trace that `traceparent` names, as a new span of it; a malformed one begins a new trace."""
    if traceparent and _FORM.fullmatch(traceparent):
        _version, trace_id, _parent, flags = traceparent.split("-")
        value = f"00-{trace_id}-{secrets.token_hex(8)}-{flags}"
    else:
        value = f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"
    token = _current.set(value)
    try:
        yield value
    finally:
        _current.reset(token)
