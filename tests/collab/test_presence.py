"""Who is here: names come from the server, a socket speaks for one client, clocks only rise."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collab.errors import ProtocolError
from collab.presence import FORGET_S, MAX_STATE_CHARS, REMOTE_TIMEOUT_S, Presences, User
from collab.protocol import Presence
from tests.contract.conftest import StockClient

Stock = Callable[[], StockClient]

ADA = User("per_ada", "Ada", "#d9480f")
BO = User("per_bo", "Bo", "#1971c2")


def _state(presences: Any, client_id: Any) -> Any:
    (entry,) = presences.about([client_id]).entries
    return entry.clock, json.loads(entry.state)


def test_the_user_is_the_servers_word() -> None:
    """A client cannot name itself: `user` is overwritten, the rest stays."""
    here: Presences[str] = Presences()
    here.hear("a", ADA, [Presence(1, 1, '{"user":{"id":"per_bo","name":"Bo"},"pointer":{"x":1}}')], 0)
    assert _state(here, 1) == (1, {"user": ADA.fields(), "pointer": {"x": 1}})


def test_what_a_client_repeats_of_others_is_dropped() -> None:
    """Stock clients send back what they hear; only the socket's own client counts."""
    here: Presences[str] = Presences()
    here.hear("a", ADA, [Presence(1, 1, "{}")], 0)
    here.hear("b", BO, [Presence(2, 1, "{}"), Presence(1, 9, '{"forged":1}')], 0)
    here.hear("c", BO, [Presence(1, 10, "null")], 0)
    assert _state(here, 1) == (1, {"user": ADA.fields()})


def test_leaving_is_told_once() -> None:
    """A socket that ends takes its client away."""
    here: Presences[str] = Presences()
    here.hear("a", ADA, [Presence(1, 4, "{}")], 0)
    here.take_changed()
    here.leave("a")
    assert here.take_changed() == [1]
    assert _state(here, 1) == (4, None)
    assert here.here().entries == ()
    here.leave("a")
    assert here.take_changed() == []


def test_one_who_comes_back_with_the_same_clock_is_seen_at_once() -> None:
    """Receivers ignore a clock that they know, so the state goes out with a higher one."""
    here: Presences[str] = Presences()
    here.hear("a", ADA, [Presence(1, 4, "{}")], 0)
    here.leave("a")
    here.hear("b", ADA, [Presence(1, 4, "{}")], 1)
    assert _state(here, 1) == (5, {"user": ADA.fields()})
    assert here.lifted == {1}


def test_a_new_socket_takes_over_from_a_half_dead_one_of_the_same_person() -> None:
    """The end of the old socket then takes nobody away."""
    here: Presences[str] = Presences()
    here.hear("old", ADA, [Presence(1, 4, "{}")], 0)
    here.hear("new", ADA, [Presence(1, 5, '{"pointer":null}')], 1)
    here.leave("old")
    assert _state(here, 1)[1] == {"user": ADA.fields(), "pointer": None}


def test_other_processes_are_heard_and_expire() -> None:
    """A client elsewhere is shown, and gone 30 s after its process fell silent; then forgotten."""
    here: Presences[str] = Presences()
    entry = Presence(7, 1, json.dumps({"user": BO.fields()}))
    assert here.hear_peer([entry], 0) == [7]
    assert here.hear_peer([entry], 10) == []
    assert here.expire(10 + REMOTE_TIMEOUT_S) == []
    assert here.expire(11 + REMOTE_TIMEOUT_S) == [7]
    assert here.here().entries == ()
    here.expire(12 + REMOTE_TIMEOUT_S + FORGET_S)
    assert here.known == {}


def test_who_falls_silent_is_gone_though_its_socket_stays() -> None:
    """A tab that sleeps keeps its socket: 30 s later it is counted as gone, and back with its next word."""
    here: Presences[str] = Presences()
    here.hear("a", ADA, [Presence(1, 4, "{}")], 0)
    assert here.take_changed() == [1]
    assert here.expire(REMOTE_TIMEOUT_S) == []
    assert here.take_changed() == []
    assert here.expire(REMOTE_TIMEOUT_S + 1) == []
    assert here.take_changed() == [1]
    assert here.about([1]).entries == (Presence(1, 4, "null"),)
    assert here.here().entries == ()
    here.hear("a", ADA, [Presence(1, 5, "{}")], 60)
    assert _state(here, 1) == (5, {"user": ADA.fields()})


def test_only_clients_here_are_ours_to_tell() -> None:
    """`here(own=True)` leaves out the clients of other processes."""
    here: Presences[str] = Presences()
    here.hear_peer([Presence(7, 1, json.dumps({"user": BO.fields()}))], 0)
    here.hear("a", ADA, [Presence(1, 1, "{}")], 0)
    assert [entry.client_id for entry in here.here(own=True).entries] == [1]
    assert len(here.here().entries) == 2


@pytest.mark.parametrize("state", ["[1]", "{", "7", '"' + "x" * MAX_STATE_CHARS + '"'])
def test_a_state_that_is_no_object_ends_the_connection(state: str) -> None:
    """Not JSON, not an object, or too large: a ProtocolError."""
    with pytest.raises(ProtocolError):
        Presences[str]().hear("a", ADA, [Presence(1, 1, state)], 0)


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abc"),
            st.integers(1, 3),
            st.integers(0, 9),
            st.sampled_from(["{}", '{"x":1}', "null", "leave"]),
        )
    )
)
def test_told_clocks_never_fall(acts: Any) -> None:
    """Whatever sockets say, the clock told of a client never goes back, and a changed state has a higher one."""
    here, told = Presences[int](), dict[int, tuple[int, str]]()
    for seat, client_id, clock, state in acts:
        if state == "leave":
            here.leave(seat)
        else:
            here.hear(seat, ADA, [Presence(client_id, clock, state)], 0)
        for entry in here.about(here.take_changed()).entries:
            before = told.get(entry.client_id, (-1, ""))
            assert entry.clock > before[0] or entry.state in (before[1], "null")
            told[entry.client_id] = (entry.clock, entry.state)
