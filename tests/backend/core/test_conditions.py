"""If-Match: what a change needs to have seen."""

import pytest
from django.test import RequestFactory
from hypothesis import given
from hypothesis import strategies as st

from backend.core.conditions import check_match, etag
from backend.core.errors import AppError, BadRequest, PreconditionFailed, PreconditionRequired


def outcome(header: str | None, version: int) -> type[AppError] | None:
    request = RequestFactory().patch("/", headers={} if header is None else {"If-Match": header})
    try:
        check_match(request, version)
    except AppError as exc:
        return type(exc)
    return None


@given(version=st.integers(1, 2**31), others=st.lists(st.integers(1, 2**31), max_size=3))
def test_a_change_goes_on_exactly_when_it_saw_the_version(version: int, others: list[int]) -> None:
    """Among the tags that the client names must be the one of what is there."""
    tags = [etag(other) for other in others]
    expected = None if version in others else PreconditionFailed
    assert outcome(", ".join(tags) or etag(0), version) is expected
    assert outcome(", ".join([*tags, etag(version)]), version) is None


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, PreconditionRequired),
        ("*", None),
        ('W/"3"', PreconditionFailed),
        ('"3", W/"4"', None),
        ("3", BadRequest),
        ("", BadRequest),
        ('"', BadRequest),
        ("*, *", BadRequest),
    ],
)
def test_forms_of_the_header(header: str | None, expected: type[AppError] | None) -> None:
    """Missing, any, weak, several, unquoted, empty."""
    assert outcome(header, 3) is expected
