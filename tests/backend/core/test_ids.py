"""Typed ids: a law for reading back, and what is refused."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.core import ids
from backend.core.errors import InvalidId


@given(value=st.uuids(), prefix=st.sampled_from(sorted(ids.PREFIXES)))
def test_what_is_shown_reads_back(value: uuid.UUID, prefix: str) -> None:
    """parse is the inverse of show for every id of every kind."""
    assert ids.parse(prefix, ids.show(prefix, value)) == value


@given(value=st.uuids())
def test_an_id_of_another_kind_is_refused(value: uuid.UUID) -> None:
    """A project's id never passes as a document's."""
    with pytest.raises(InvalidId):
        ids.parse("doc", ids.show("prj", value))


@given(text=st.text(max_size=60))
def test_any_text_reads_or_is_refused(text: str) -> None:
    """No text makes parse fail in another way than InvalidId."""
    try:
        shown = ids.show("prj", ids.parse("prj", text))
    except InvalidId:
        shown = text
    assert shown == text


def test_ids_are_in_the_order_of_their_making() -> None:
    """UUIDv7: later ids sort after earlier ones, so that an id is a cursor."""
    made = [ids.new_id() for _ in range(1000)]
    assert made == sorted(made)
    assert {value.version for value in made} == {7}
