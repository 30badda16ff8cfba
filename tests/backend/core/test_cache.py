"""Django's cache while Valkey is away: empty, and no error."""

import pytest
from django.core.cache import caches
from django.core.cache.backends.base import BaseCache

from backend.core import valkey
from backend.core.cache import Cache
from backend.embedded.plan import HOST, free_port
from tests.conftest import Stack


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> BaseCache:
    """A cache whose server is not there."""
    nowhere = valkey.connected_to(f"redis://{HOST}:{free_port(taken=set())}/0")
    monkeypatch.setattr(valkey, "client", lambda: nowhere)
    return Cache("redis://nowhere", {})


def test_it_keeps(stack: Stack) -> None:
    """On the real Valkey it is Django's own."""
    cache = caches["default"]
    assert isinstance(cache, Cache)
    cache.set("test:kept", {"a": 1}, 30)
    assert cache.get("test:kept") == {"a": 1}
    assert cache.delete("test:kept") is True


def test_it_is_empty_while_valkey_is_away(away: BaseCache) -> None:
    """Each operation answers as an empty cache would, so that signing in goes on."""
    away.set("key", 1)
    assert away.get("key", "missing") == "missing"
    assert away.add("key", 1) is True
    assert away.get_many(["key"]) == {}
    assert away.has_key("key") is False
    assert away.delete("key") is False
    assert away.touch("key") is False
