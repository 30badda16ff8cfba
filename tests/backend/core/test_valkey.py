"""A Valkey that does not answer holds nobody up for long."""

import socket
import time
from collections.abc import Iterator

import pytest
import redis

from backend.core import valkey


@pytest.fixture
def deaf() -> Iterator[str]:
    """The URL of a server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"redis://127.0.0.1:{server.getsockname()[1]}/0"


def test_only_the_first_who_asks_waits(deaf: str) -> None:
    """A request tells several things; one time-out is what it may cost."""
    with valkey.connected_to(deaf) as client:
        with pytest.raises(redis.TimeoutError):
            client.publish("a", "b")
        began = time.monotonic()
        for _ in range(10):
            with pytest.raises(redis.ConnectionError):
                client.publish("a", "b")
        assert time.monotonic() - began < 0.5


def test_it_is_asked_again_after_a_rest(deaf: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a process would never find that it is back."""
    monkeypatch.setattr(valkey, "REST_S", 0.1)
    with valkey.connected_to(deaf) as client:
        for _ in range(2):
            with pytest.raises(redis.TimeoutError):
                client.publish("a", "b")
            time.sleep(0.2)
