"""What processes tell each other reads back as it was written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collab import peers
from collab.errors import ProtocolError
from collab.protocol import Presence

uuids = st.uuids().filter(lambda value: value.int != 0)
counts = st.integers(0, 2**53 - 1)
flushes = st.builds(
    peers.Flush,
    writer=uuids,
    seq=counts,
    committed=st.booleans(),
    person_id=st.none() | uuids,
    update=st.binary(max_size=200),
    traceparent=st.none() | st.just("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
)
presences = st.builds(Presence, client_id=counts, clock=counts, state=st.text(max_size=40))
messages = st.one_of(
    flushes,
    st.builds(peers.Committed, writer=uuids, seq=counts),
    st.builds(peers.Presences, sender=uuids, entries=st.lists(presences, max_size=4).map(tuple)),
    st.builds(peers.Hello, sender=uuids, joining=st.booleans(), state_vector=st.binary(max_size=100)),
    st.builds(peers.Answer, receiver=uuids, update=st.binary(max_size=200)),
)


@given(message=messages)
def test_a_message_reads_back(message: peers.PeerMessage) -> None:
    """decode is the inverse of encode, the trace of a server's edit included."""
    assert peers.decode(peers.encode(message)) == message


@given(message=messages, cut=st.integers(1, 20))
def test_a_cut_message_is_refused_or_shorter(message: peers.PeerMessage, cut: int) -> None:
    """A message that lost its end never reads as the whole one."""
    data = peers.encode(message)[:-cut]
    try:
        found: object = peers.decode(data)
    except ProtocolError:
        found = None
    assert found != message


def test_an_unknown_kind_is_refused() -> None:
    """A newer process may say more than this one knows."""
    with pytest.raises(ProtocolError):
        peers.decode(b"\x63" + bytes(40))
