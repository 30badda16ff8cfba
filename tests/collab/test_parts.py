"""Byte strings that travel as one come out as they went in."""

from hypothesis import given
from hypothesis import strategies as st

from collab.parts import Parts

several = st.lists(st.binary(max_size=300), max_size=6)


@given(several, several)
def test_parts_come_out_as_they_went_in(some: list[bytes], more: list[bytes]) -> None:
    found = Parts.of(some + more)
    assert list(found) == some + more
    assert len(found) == len(some) + len(more)
    assert list(Parts(found.data, found.lengths)) == some + more


@given(st.binary())
def test_one_is_not_copied(part: bytes) -> None:
    (found,) = Parts.one(memoryview(part))
    assert found == part
    assert isinstance(found, memoryview)
    assert list(Parts.one(part)) == [part]
