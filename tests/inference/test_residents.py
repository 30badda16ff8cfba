"""Who leaves the device's memory for another: laws, for any models that are there."""

from hypothesis import given
from hypothesis import strategies as st

from inference.residents import STAY_S, Resident, to_unload

SECONDS = st.floats(0.0, 4 * STAY_S)
RESIDENTS = st.lists(
    st.builds(
        Resident,
        name=st.uuids().map(str),
        memory_mb=st.integers(1, 1000),
        idle_s=SECONDS,
        stayed_s=SECONDS,
        in_use=st.booleans(),
    ),
    max_size=8,
    unique_by=lambda one: one.name,
)
MEMORY = st.integers(1, 4000)


def test_without_a_limit_nobody_leaves() -> None:
    assert to_unload([Resident("a", 1000, 1e6, 1e6)], needed_mb=10**9, budget_mb=0) == []


@given(RESIDENTS, MEMORY, MEMORY)
def test_who_is_left_fits(residents: list[Resident], needed_mb: int, budget_mb: int) -> None:
    """Whatever leaves makes room; nobody leaves who is at work and has not stayed long; none leaves for nothing."""
    leaving = to_unload(residents, needed_mb=needed_mb, budget_mb=budget_mb)
    sizes = {one.name: one.memory_mb for one in residents}
    if leaving is None:
        stays = sum(one.memory_mb for one in residents if not one.may_go)
        assert stays + needed_mb > budget_mb
        return
    left_mb = sum(sizes.values()) - sum(sizes[name] for name in leaving) + needed_mb
    assert left_mb <= budget_mb
    assert all(left_mb + sizes[name] > budget_mb for name in leaving)
    assert all(one.may_go for one in residents if one.name in leaving)


def test_the_least_recently_used_leaves() -> None:
    """Of equal ones; those that nobody needs before those that somebody does."""
    old, older = Resident("old", 10, 50.0, 90.0), Resident("older", 10, 60.0, 90.0)
    needed = Resident("needed", 10, 70.0, 90.0, in_use=True)
    assert to_unload([old, needed, older], needed_mb=10, budget_mb=30) == ["older"]
    assert to_unload([old, needed, older], needed_mb=20, budget_mb=30) == ["older", "old"]


def test_work_of_one_model_does_not_shut_out_another_for_ever() -> None:
    """At work it stays, until it has stayed long."""
    busy = [Resident("busy", 10, 0.0, STAY_S - 1, in_use=True)]
    assert to_unload(busy, needed_mb=10, budget_mb=10) is None
    assert to_unload([Resident("busy", 10, 0.0, STAY_S, in_use=True)], needed_mb=10, budget_mb=10) == ["busy"]
