"""What Celery's workers read from Valkey: no message and no refusal of Valkey's is the end of them."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from django.conf import settings
from kombu import Connection

from backend.core import valkey
from tests.conftest import Stack

UNREADABLE = [b"\x00{", b'"a text"', b"{}", b'{"properties": {}}', b'{"body": "%", "properties": {"delivery_info": 1}}']


@pytest.fixture
def broker(stack: Stack) -> Iterator[Connection]:
    with Connection(settings.VALKEY_URL, transport="backend.core.broker:Transport") as connection:
        yield connection


@pytest.mark.parametrize("poison", UNREADABLE)
def test_what_nobody_can_read_is_dropped(broker: Connection, poison: bytes) -> None:
    """The message after it arrives."""
    name = f"test-{uuid.uuid4()}"
    valkey.client().lpush(name, poison)
    with broker.SimpleQueue(name) as queue:
        queue.put("sound")
        assert queue.get(timeout=5).payload == "sound"


def test_a_refusal_is_met_by_connecting_again(broker: Connection) -> None:
    """As a connection that was lost, which Celery knows how to bear."""
    name = f"test-{uuid.uuid4()}"
    with broker.SimpleQueue(name) as queue:
        valkey.client().set(name, "no list")
        with pytest.raises(redis.ConnectionError):
            queue.get(timeout=5)
    valkey.client().delete(name)


def test_to_speak_after_the_end_is_a_lost_connection(broker: Connection) -> None:
    """A task that ends later than the connection which brought it acknowledges its message all the same."""
    channel: Any = broker.channel()  # the stubs know no channel's methods
    broker.close()
    with pytest.raises(redis.ConnectionError):
        channel.queue_purge("any")
