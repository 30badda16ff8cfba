"""The worker's Celery: a broker in Valkey, no result store, for the database is the truth."""

import os
import time
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backend.settings")

from celery import Celery, Task
from celery.signals import setup_logging, worker_init
from django.conf import settings

from backend.core import metrics, process, trace, valkey

QUEUE = "atelier"


class MeasuredTask(Task):  # type: ignore[type-arg]  # generic in its stubs alone
    """Each run goes on in the trace of who asked for it, and is measured."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        began, outcome = time.perf_counter(), "error"
        try:
            with trace.continued(self.request.get("traceparent"), f"task {self.name}", kind="consumer"):
                result = self.run(*args, **kwargs)
            outcome = "ok"
            return result
        finally:
            metrics.TASK_DURATION.labels(self.name, outcome).observe(time.perf_counter() - began)


app = Celery("atelier", broker=settings.VALKEY_URL, set_as_current=True, task_cls=MeasuredTask)
app.conf.update(
    task_ignore_result=True,
    task_acks_late=True,
    task_serializer="json",
    accept_content=["json"],
    worker_prefetch_multiplier=1,
    worker_pool="threads",
    worker_concurrency=settings.JOBS_AT_ONCE + 4,  # that many for all else
    broker_connection_retry_on_startup=True,
    broker_connection_timeout=2,
    broker_transport="backend.core.broker:Transport",
    broker_transport_options={
        "visibility_timeout": 600,
        "socket_timeout": 5,
        "socket_connect_timeout": 2,
        "max_retries": 1,
    },
    task_default_queue=QUEUE,
    timezone="UTC",
)
app.autodiscover_tasks()


@setup_logging.connect
def _keep_our_logs(**_: Any) -> None:
    """Connected so that Celery leaves the log format to `backend.core.logs`."""


@worker_init.connect
def _begin(**_: Any) -> None:
    process.begin("worker")
    metrics.follow("queue", lambda: metrics.QUEUE_LENGTH.set(waiting()), metrics.QUEUE_LENGTH)


def waiting() -> int:
    """How many messages wait in the broker. Raises RedisError."""
    return int(valkey.client().llen(QUEUE))
