"""Carries the W3C trace context of the act that is under way through threads, tasks and messages.

Where `backend.core.spans` has set a recorder, named acts and their parts are measured as spans of the trace, too; else
all of it costs a comparison. A span never holds what a user wrote: names and attributes are ours, of a fault its type.

Source: W3C Trace Context, level 1, section 3.2.
"""

import re
import secrets
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Literal, Protocol, TypeAlias

Kind: TypeAlias = Literal["internal", "server", "client", "producer", "consumer"]
Value: TypeAlias = str | int | float | bool


class Span(Protocol):
    """A measured part of a trace, until `end`."""

    traceparent: str

    def rename(self, name: str) -> None: ...
    def note(self, **attributes: Value) -> None: ...
    def fail(self, error: str) -> None: ...
    def end(self) -> None: ...


class Recorder(Protocol):
    def start(self, name: str, parent: str | None, kind: Kind, attributes: dict[str, Value]) -> Span: ...


_current: ContextVar[str | None] = ContextVar("traceparent", default=None)
_span: ContextVar[Span | None] = ContextVar("span", default=None)
_FORM = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_NOTHING = nullcontext()
_recorder: Recorder | None = None


class _Silent:
    """What nobody records: it only hands on its parent."""

    __slots__ = ("traceparent",)

    def __init__(self, traceparent: str) -> None:
        self.traceparent = traceparent

    def rename(self, name: str) -> None: ...
    def note(self, **attributes: Value) -> None: ...
    def fail(self, error: str) -> None: ...
    def end(self) -> None: ...


_SILENT = _Silent("")


def record_with(recorder: Recorder | None) -> None:
    """Measure spans from now on, or no longer."""
    global _recorder
    _recorder = recorder


def is_recorded() -> bool:
    return _recorder is not None


def current_or_none() -> str | None:
    return _current.get()


def current() -> str:
    """The traceparent of this act; begins a trace where none is under way."""
    value = _current.get()
    if value is None:
        value = _new_trace()
        _current.set(value)
    return value


@contextmanager
def continued(
    traceparent: str | None, name: str = "", *, kind: Kind = "internal", **attributes: Value
) -> Iterator[str]:
    """Work inside the trace that `traceparent` names, as a new span of it; a malformed one begins a new trace.

    With a `name` the span is recorded; without, the trace is only for the logs and the messages that carry it on.
    """
    parent = traceparent if traceparent and _FORM.fullmatch(traceparent) else None
    if _recorder is not None and name:
        with _recorded(_recorder.start(name, parent, kind, attributes)) as value:
            yield value
        return
    if parent is None:
        value = _new_trace()
    elif _recorder is not None:
        value = parent  # a span that nobody records must be nobody's parent
    else:
        _version, trace_id, _parent, flags = parent.split("-")
        value = f"00-{trace_id}-{secrets.token_hex(8)}-{flags}"
    token = _current.set(value)
    try:
        yield value
    finally:
        _current.reset(token)


def span(name: str, *, kind: Kind = "internal", **attributes: Value) -> AbstractContextManager[object]:
    """Measure a part of the act that is under way; without one there is nothing that it could be a part of."""
    if _recorder is None:
        return _NOTHING
    parent = _current.get()
    return _NOTHING if parent is None else _recorded(_recorder.start(name, parent, kind, attributes))


def begin(name: str, traceparent: str | None, *, kind: Kind = "internal", **attributes: Value) -> Span:
    """A span that the caller ends, below `traceparent` or at the root: for work on many traces at once."""
    if _recorder is None:
        return _Silent(traceparent) if traceparent else _SILENT
    parent = traceparent if traceparent and _FORM.fullmatch(traceparent) else None
    return _recorder.start(name, parent, kind, attributes)


def note(name: str = "", **attributes: Value) -> None:
    """Add to the span that is under way what is known only now, its better name among it."""
    recorded = _span.get()
    if recorded is not None:
        recorded.note(**attributes)
        if name:
            recorded.rename(name)


@contextmanager
def _recorded(started: Span) -> Iterator[str]:
    token, outer = _current.set(started.traceparent), _span.set(started)
    try:
        yield started.traceparent
    except BaseException as exc:
        started.fail(type(exc).__name__)
        raise
    finally:
        _span.reset(outer)
        _current.reset(token)
        started.end()


def _new_trace() -> str:
    # Its flag says whether somebody records it: the root of a recorded trace is a span, and this is none.
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-{'01' if _recorder is None else '00'}"
