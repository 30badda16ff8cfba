"""Moments: what the database holds is what is read; and how they are written."""

import json
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection
from django.db.utils import DataError
from hypothesis import given
from hypothesis import strategies as st

from backend.core import times

moments = st.datetimes(min_value=datetime.min, max_value=datetime.max, timezones=st.just(UTC))


def read(literal: str) -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::timestamptz", [literal])
        found: datetime = cursor.fetchone()[0]
        return found


@pytest.mark.usefixtures("stack")
@given(moment=moments)
def test_what_is_kept_is_read(moment: datetime) -> None:
    """To the microsecond, and in UTC."""
    found = read(moment.isoformat())
    assert (found, found.utcoffset()) == (moment, timedelta(0))


@pytest.mark.usefixtures("stack")
def test_what_python_cannot_hold_is_an_error() -> None:
    """As it is with Django's own loader."""
    for literal in ("infinity", "10000-01-01 00:00:00+00", "0044-03-15 00:00:00+00 BC"):
        with pytest.raises((DataError, psycopg.DataError)):
            read(literal)


@given(moment=moments)
def test_what_is_shown_is_what_the_renderer_writes(moment: datetime) -> None:
    """One form for all answers, however they are made."""
    assert times.show(moment) == json.loads(json.dumps(moment, cls=DjangoJSONEncoder))
