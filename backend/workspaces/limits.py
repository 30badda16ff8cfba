"""Carries a token's limit to the one door where rights are checked, for as long as the token's request runs.

The doors take a person's id, and a forgotten argument would give a token all that its person may. So the limit does not
travel as an argument: whoever lets a token in opens `limited` around all that it does.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from backend.workspaces.rights import Limit

_present: ContextVar[Limit | None] = ContextVar("limit", default=None)


def present() -> Limit | None:
    """The limit of the token that acts; None where a person acts, or the house on their behalf."""
    return _present.get()


@contextmanager
def limited(limit: Limit | None) -> Iterator[None]:
    token = _present.set(limit)
    try:
        yield
    finally:
        _present.reset(token)
