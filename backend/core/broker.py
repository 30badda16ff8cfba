"""Hides kombu's way to Valkey, and adds what it lacks: no message, answer or end of Valkey's is the end of a worker.

Kombu takes a message off its list before it looks at it, and lets the mistake end the process. What was in a message is
no loss: the database says what is to do, and a sweeper sends new ones. A Valkey that refuses to write (its disk is
full) would end the process, too, which takes longer to start than the fault may last.
"""

import time
from typing import Any

import redis
import structlog
from kombu.transport import redis as transport

log = structlog.get_logger()
PAUSE_S = 0.5
_UNREADABLE = (ValueError, TypeError, KeyError, AttributeError)  # no JSON, no base64, another shape


class Channel(transport.Channel):
    def _brpop_read(self, **options: Any) -> bool:
        try:
            return bool(super()._brpop_read(**options))  # type: ignore[misc]  # not in the stubs
        except _UNREADABLE:
            log.exception("queue.unreadable_message")
            return True
        except redis.ResponseError as exc:
            log.warning("queue.refused", error=str(exc))
            time.sleep(PAUSE_S)  # nothing else is to be done in this thread while no task can be had
            raise redis.ConnectionError from exc  # after which Celery connects again

    def _connparams(self, *args: Any, **options: Any) -> Any:
        """Asked for by whoever wants to acknowledge a message, or give it back, after its connection was lost."""
        if getattr(self.connection, "client", None) is None:
            raise redis.ConnectionError("The connection that brought the message is gone.")  # as which Celery bears it
        return super()._connparams(*args, **options)  # type: ignore[misc]  # not in the stubs


class Transport(transport.Transport):
    Channel = Channel
