"""Hides kombu's way to Valkey, and adds what it lacks: a message that nobody can read ends no worker.

Kombu takes a message off its list before it looks at it, and lets the mistake end the process. What was in a message is
no loss: the database says what is to do, and a sweeper sends new ones.
"""

from typing import Any

import structlog
from kombu.transport import redis

log = structlog.get_logger()
_UNREADABLE = (ValueError, TypeError, KeyError, AttributeError)  # no JSON, no base64, another shape


class Channel(redis.Channel):
    def _brpop_read(self, **options: Any) -> bool:
        try:
            return bool(super()._brpop_read(**options))  # type: ignore[misc]  # not in the stubs
        except _UNREADABLE:
            log.exception("queue.unreadable_message")
            return True


class Transport(redis.Transport):
    Channel = Channel
