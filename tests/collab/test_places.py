"""How many seats there may be: as many as taken less those left, for each person, document and workspace alone."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from collab.errors import TooManyConnections
from collab.places import Places
from collab.ports import Grant

ids = st.integers(0, 2).map(lambda number: UUID(int=number))
acts = st.lists(st.tuples(ids, ids, ids, st.booleans()), max_size=40)


@given(acts, st.integers(1, 4), st.integers(1, 4), st.integers(1, 4))
def test_a_place_is_there_as_long_as_none_is_full(
    script: list[tuple[UUID, UUID, UUID, bool]], per_person: int, per_document: int, per_workspace: int
) -> None:
    places = Places(per_person, per_document, per_workspace)
    seated: list[tuple[UUID, UUID, UUID]] = []
    for person, document, workspace, leaves in script:
        whose = (person, document, workspace)
        grant = Grant(person, "", "", workspace, document, 0, "write", None)
        if leaves and whose in seated:
            seated.remove(whose)
            places.leave(grant)
        elif not leaves:
            bounds = (per_person, per_document, per_workspace)
            free = all(sum(one[place] == whose[place] for one in seated) < most for place, most in enumerate(bounds))
            try:
                places.take(grant)
                assert free
                seated.append(whose)
            except TooManyConnections:
                assert not free
