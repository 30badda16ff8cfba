"""The frames of y-websocket: laws of the codec, and what ends a connection."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collab import peers
from collab.errors import ProtocolError
from collab.protocol import (
    KEEP_ALIVE,
    MAX_UINT,
    Awareness,
    Denied,
    Message,
    Presence,
    QueryAwareness,
    Status,
    SyncStep1,
    SyncStep2,
    SyncUpdate,
    decode,
    encode,
    read_uint,
    write_bytes,
    write_uint,
)

uints = st.integers(0, MAX_UINT)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)
presences = st.builds(Presence, uints, uints, texts)
vectors = st.dictionaries(uints, uints, max_size=5).map(
    lambda v: write_uint(len(v)) + b"".join(write_uint(k) + write_uint(c) for k, c in v.items())
)
messages = st.one_of(
    st.builds(SyncStep1, vectors),
    st.builds(SyncStep2, st.binary(max_size=300)),
    st.builds(SyncUpdate, st.binary(max_size=300)),
    st.builds(Awareness, st.lists(presences, max_size=5).map(tuple)),
    st.just(QueryAwareness()),
    st.builds(Denied, texts),
    st.builds(Status, uints),
)


@given(messages)
def test_a_message_survives_its_frame(message: Message) -> None:
    """decode undoes encode, for every kind of message."""
    assert decode(encode(message)) == message


@given(uints)
def test_a_number_survives(value: int) -> None:
    """Each varUint up to 53 bits reads back, and says where it ends."""
    data = write_uint(value)
    assert read_uint(data, 0) == (value, len(data))


def _outcome(read: Any, data: Any) -> Any:
    try:
        read(data)
    except ProtocolError as exc:
        return exc.close_code
    return 4400


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_a_protocol_error(data: Any) -> None:
    """Random bytes end one connection with 4400 and raise nothing else."""
    assert _outcome(decode, data) == 4400
    assert _outcome(peers.decode, data) == 4400


@given(messages, st.data())
def test_a_cut_frame_is_refused(message: Message, data: Any) -> None:
    """A frame that ends too early is never taken for another message."""
    frame = encode(message)
    cut = data.draw(st.integers(0, len(frame) - 1))
    with pytest.raises(ProtocolError):
        decode(frame[:cut])


@given(messages)
def test_a_trailing_byte_is_refused(message: Message) -> None:
    """Nothing may follow a message."""
    with pytest.raises(ProtocolError):
        decode(encode(message) + b"\x00")


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\x07",
        b"\x00\x03\x00",
        b"\x80\x00\x02\x00",
        b"\x00\x02\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x00\x02\x85\x80\x80\x80\x80\x80\x80\x80\x10",
        b"\x00\x02\x05\x00",
        b"\x00\x00" + write_bytes(b"\x05\x01\x01"),
        b"\x01" + write_bytes(write_uint(2000)),
        b"\x01" + write_bytes(b"\x01\x01\x01\x02\xff\xff"),
        b"\x02\x01\x00",
    ],
    ids=[
        "empty", "unknown type", "unknown step", "long form", "endless number", "54 bits", "length beyond the frame",
        "short state vector", "too many presences", "not UTF-8", "unknown auth",
    ],
)  # fmt: skip
def test_bad_frames_are_refused(frame: bytes) -> None:
    """Each kind of bad frame is a ProtocolError."""
    with pytest.raises(ProtocolError):
        decode(frame)


def test_golden_frames() -> None:
    """The bytes that the stock client sends and expects."""
    assert encode(SyncStep1(b"\x00")) == bytes([0, 0, 1, 0])
    assert encode(SyncStep2(b"\x00\x00")) == bytes([0, 1, 2, 0, 0])
    assert encode(SyncUpdate(b"ab")) == bytes([0, 2, 2, 97, 98])
    assert encode(Awareness((Presence(300, 1, "{}"),))) == bytes([1, 7, 1, 0xAC, 0x02, 1, 2, 123, 125])
    assert encode(Denied("no")) == bytes([2, 0, 2, 110, 111])
    assert encode(Status(300)) == bytes([8, 0xAC, 0x02])
    assert bytes([1, 1, 0]) == KEEP_ALIVE


def test_a_number_beyond_53_bits_is_not_written() -> None:
    """What JavaScript cannot hold is never sent."""
    with pytest.raises(ProtocolError):
        write_uint(MAX_UINT + 1)
