"""The life of a job: which steps lead where, and when a job is worth another try."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.generations import states
from backend.generations.errors import StepNotPossible
from backend.generations.states import ENDED, State, Step


@given(st.lists(st.sampled_from(list(Step)), max_size=30))
def test_an_ended_job_stays_ended(steps: list[Step]) -> None:
    """Whatever is tried in whatever order, nothing leads on from a job that has ended."""
    seen = [State.QUEUED]
    for step in steps:
        try:
            seen.append(states.after(seen[-1], step))
        except StepNotPossible:
            seen.append(seen[-1])
    first_end = next((i for i, state in enumerate(seen) if state in ENDED), len(seen))
    assert len(set(seen[first_end:])) <= 1


def test_every_state_is_reached() -> None:
    """No state of the machine is dead."""
    reached = {State.QUEUED}
    for _round in State:
        reached |= {states._NEXT[key] for key in states._NEXT if key[0] in reached}
    assert reached == set(State)


def test_a_job_succeeds_only_while_it_runs() -> None:
    """A result can't be published for a job that waits, or was cancelled."""
    for state in set(State) - {State.RUNNING}:
        with pytest.raises(StepNotPossible):
            states.after(state, Step.SUCCEED)


def test_back_off_doubles_up_to_its_limit() -> None:
    """The waits grow, and all tries together outlast the restart of any part."""
    waits = [states.back_off_s(tries) for tries in range(1, states.MAX_TRIES)]
    assert waits == sorted(waits)
    assert waits[:3] == [0.5, 1.0, 2.0]
    assert 45 < sum(waits) < 180


def test_a_job_that_ends_its_workers_is_given_up() -> None:
    """Three lost workers look like the job's fault, however many tries are left."""
    assert states.may_try_again(tries=2, losses=2)
    assert not states.may_try_again(tries=3, losses=3)
    assert not states.may_try_again(tries=states.MAX_TRIES, losses=0)
