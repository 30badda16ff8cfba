"""The worker's Celery: a broker in Valkey, no result store, for the database is the truth."""

import os
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backend.settings")

from celery import Celery
from celery.signals import setup_logging
from django.conf import settings

app = Celery("atelier", broker=settings.VALKEY_URL, set_as_current=True)
app.conf.update(
    task_ignore_result=True,
    task_acks_late=True,
    task_serializer="json",
    accept_content=["json"],
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
    broker_connection_timeout=2,
    broker_transport_options={
        "visibility_timeout": 600,
        "socket_timeout": 5,
        "socket_connect_timeout": 2,
        "max_retries": 1,
    },
    task_default_queue="atelier",
    timezone="UTC",
)
app.autodiscover_tasks()


@setup_logging.connect
def _keep_our_logs(**_: Any) -> None:
    """Connected so that Celery leaves the log format to `backend.core.logs`."""
