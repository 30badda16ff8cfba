"""A set of ids behaves as a set of pairs does."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from collab.idset import IdSet

ranges = st.tuples(st.integers(1, 3), st.integers(0, 30), st.integers(1, 8)).map(lambda r: (r[0], r[1], r[1] + r[2]))


def _ids(client: int, start: int, end: int) -> set[tuple[int, int]]:
    return {(client, clock) for clock in range(start, end)}


@given(st.lists(ranges, max_size=20), ranges)
def test_it_is_a_set(added: list[tuple[int, int, int]], asked: tuple[int, int, int]) -> None:
    """Whatever is put in, in any order: what it covers, what it touches, how many there are, where the gaps are."""
    ids, model = IdSet(), set[tuple[int, int]]()
    for one in added:
        ids.add(*one)
        model |= _ids(*one)
    assert ids.covers(*asked) == (_ids(*asked) <= model)
    assert ids.touches(*asked) == bool(_ids(*asked) & model)
    assert len(ids) == len(model)
    for client in ids.clients():
        clocks = {clock for one, clock in model if one == client}
        assert ids.first_gap(client) == min(set(range(60)) - clocks)
        assert ids.end(client) == max(clocks) + 1
        kept = list(ids.ranges(client))
        assert all(end < start for (_, end), (start, _) in pairwise(kept))
    assert ids.first_gap(9) == 0


@given(st.lists(ranges, max_size=20))
def test_it_reads_back(added: list[tuple[int, int, int]]) -> None:
    """From its bytes, wherever they begin; and a copy goes its own way."""
    ids = IdSet()
    for one in added:
        ids.add(*one)
    data = ids.encode()
    assert IdSet.decode(b"xx" + data + b"yy", 2) == (ids, 2 + len(data))
    copy = ids.copy()
    copy.add(7, 0, 1)
    assert 7 not in list(ids.clients())
