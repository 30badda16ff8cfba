"""Hides how a moment is written outside: RFC 3339 in UTC, to the millisecond."""

from datetime import datetime


def show(at: datetime) -> str:
    """`at`, which is in UTC as all that the database gives, as the API's renderer writes it."""
    text = at.isoformat()
    if at.microsecond:
        text = text[:23] + text[26:]
    return text.removesuffix("+00:00") + "Z"
