"""Byte strings that travel as one come out as they went in."""

from hypothesis import given
from hypothesis import strategies as st

from collab.parts import Parts

several = st.lists(st.binary(max_size=300), max_size=6)


@given(several, several)
def test_parts_come_out_as_they_went_in(some: list[bytes], more: list[bytes]) -> None:
    found = Parts.of(some) + Parts.of(more)
    assert list(found) == some + more
    assert len(found) == len(some) + len(more)
    assert list(Parts(found.data, found.lengths)) == some + more
