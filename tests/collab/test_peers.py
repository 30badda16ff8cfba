"""What processes tell each other reads back as it was written, and reaches the others."""

import asyncio
from dataclasses import dataclass, field
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.core import ids, valkey
from collab import peers
from collab.errors import ProtocolError
from collab.ports import Scope
from collab.protocol import Presence
from tests.conftest import Stack
from tests.waiting import until

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
    st.builds(peers.Hello, sender=uuids, joining=st.booleans(), state_vector=st.binary(max_size=100), deleted=counts),
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


@dataclass
class Process:
    """What one of several processes hears, with its way to the others."""

    writer: UUID = field(default_factory=ids.new_id)
    heard: list[peers.PeerMessage] = field(default_factory=list)
    subscriptions: int = 0

    def __post_init__(self) -> None:
        self.peers = peers.Peers(self)
        self.peers.open()

    def peer_message(self, document_id: UUID, message: peers.PeerMessage) -> None:
        self.heard.append(message)

    def subscribed(self, document_id: UUID) -> None:
        self.subscriptions += 1

    def access_changed(self, scope: Scope) -> None: ...

    def say(self, document_id: UUID, seq: int) -> None:
        self.peers.publish(document_id, peers.Committed(self.writer, seq))

    async def finds_itself_alone(self, document_id: UUID) -> None:
        await until(lambda: self.peers.is_alone(document_id))

    async def told(self, seq: int) -> None:
        await until(lambda: any(isinstance(m, peers.Committed) and m.seq == seq for m in self.heard))


def _listeners(document_id: UUID) -> int:
    ((_, number),) = valkey.client().pubsub_numsub(peers.channel(document_id))
    return int(number)


async def test_company_is_found_though_its_hello_was_lost(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is counted every few seconds; the room is told, as after a gap."""
    monkeypatch.setattr(peers, "RECOUNT_S", 0.1)
    document_id = ids.new_id()
    first, second = Process(), Process()
    await first.peers.subscribe(document_id)
    first.say(document_id, 1)
    await first.finds_itself_alone(document_id)
    await second.peers.subscribe(document_id)
    before = first.subscriptions
    await until(lambda: first.subscriptions > before)
    first.say(document_id, 2)
    await second.told(2)
    for process in (first, second):
        await process.peers.close()


async def test_one_alone_says_nothing_until_another_says_hello(stack: Stack) -> None:
    """Once it knows that nobody hears: then Valkey costs it nothing."""
    document_id = ids.new_id()
    first, second = Process(), Process()
    await first.peers.subscribe(document_id)
    first.say(document_id, 1)
    await first.finds_itself_alone(document_id)
    with valkey.client().pubsub() as said:  # type: ignore[no-untyped-call]  # redis-py's is not typed
        said.subscribe(peers.channel(document_id))
        said.get_message(timeout=1)
        for seq in range(2, 100):
            first.say(document_id, seq)
            await asyncio.sleep(0)
        await second.peers.subscribe(document_id)
        second.peers.publish(document_id, peers.Hello(second.writer, True, b"\0", 0))
        await until(lambda: any(isinstance(m, peers.Hello) for m in first.heard))
        first.say(document_id, 100)
        await second.told(100)
        heard = [peers.decode(message["data"]) for message in iter(said.get_message, None)]
    assert [type(message) for message in heard] == [peers.Hello, peers.Committed]
    second.peers.unsubscribe(document_id)
    await until(lambda: _listeners(document_id) == 1)
    first.say(document_id, 101)
    await first.finds_itself_alone(document_id)
    for process in (first, second):
        await process.peers.close()


async def test_nobody_hears_itself_or_what_is_for_another(stack: Stack) -> None:
    """Of what it says itself nothing comes back; an answer reaches the one who asked."""
    document_id = ids.new_id()
    first, second, third = Process(), Process(), Process()
    for process in (first, second, third):
        await process.peers.subscribe(document_id)
    first.peers.publish(document_id, peers.Answer(second.writer, b"for the second"))
    first.say(document_id, 1)
    for process in (second, third):
        await process.told(1)
    assert not first.heard
    assert second.heard[:-1] == [peers.Answer(second.writer, b"for the second")]
    assert len(third.heard) == 1
    for process in (first, second, third):
        await process.peers.close()
