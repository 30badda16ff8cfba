"""A Valkey that does not answer holds nobody up for long."""

import socket
import time
from collections.abc import Iterator

import pytest
import redis

from backend.core import valkey
from backend.embedded.plan import free_port
from tests.conftest import Stack
from tests.faults.network import Link


@pytest.fixture
def deaf() -> Iterator[str]:
    """The URL of a server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"redis://127.0.0.1:{server.getsockname()[1]}/0"


def test_only_the_first_who_asks_waits(deaf: str) -> None:
    """A request tells several things; one time-out is what it may cost."""
    with valkey.connected_to(deaf) as client:
        with pytest.raises(redis.RedisError):
            client.publish("a", "b")
        began = time.monotonic()
        for _ in range(10):
            with pytest.raises(redis.ConnectionError):
                client.publish("a", "b")
        assert time.monotonic() - began < 0.5


@pytest.fixture
def link(stack: Stack) -> Iterator[Link]:
    """The way to the real Valkey."""
    found = Link(port=free_port(taken=set()), target=stack.plan.ports["valkey"])
    yield found
    found.close()


def test_those_who_are_connected_wait_no_longer(link: Link) -> None:
    """What is open when the server falls silent would else run into one time-out each."""
    with valkey.connected_to(f"redis://127.0.0.1:{link.port}/0") as client:
        connections = [client.connection_pool.get_connection() for _ in range(3)]
        for connection in connections:
            client.connection_pool.release(connection)
        link.delay_s = 60.0
        began = time.monotonic()
        for _ in range(5):
            with pytest.raises(redis.RedisError):
                client.publish("a", "b")
        assert time.monotonic() - began < 4.0


def test_it_is_asked_again_after_a_rest(deaf: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a process would never find that it is back."""
    monkeypatch.setattr(valkey, "REST_S", 0.1)
    with valkey.connected_to(deaf) as client:
        for _ in range(2):
            began = time.monotonic()
            with pytest.raises(redis.RedisError):
                client.publish("a", "b")
            assert time.monotonic() - began > 1.0
            time.sleep(0.2)


def test_one_that_has_just_answered_is_not_asked_again(stack: Stack) -> None:
    """Who sends several things looks once."""
    valkey.client().ping()
    asked = int(valkey.client().info("commandstats")["cmdstat_ping"]["calls"])
    for _ in range(10):
        valkey.check()
    assert int(valkey.client().info("commandstats")["cmdstat_ping"]["calls"]) == asked


def test_one_that_was_silent_for_a_while_is_asked(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be away by now."""
    valkey.client().ping()
    monkeypatch.setattr(valkey, "REST_S", 0.0)
    asked = int(valkey.client().info("commandstats")["cmdstat_ping"]["calls"])
    valkey.check()
    assert int(valkey.client().info("commandstats")["cmdstat_ping"]["calls"]) > asked
