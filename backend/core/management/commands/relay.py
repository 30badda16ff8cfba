"""`manage.py relay`: the process that moves events from the outbox to the stream."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from backend.celery import app as _celery  # noqa: F401 - makes it the current app, by which sweepers are sent
from backend.core import valkey
from backend.core.relay import Relay, install_stop


class Command(BaseCommand):
    help = "Move committed events from the outbox to the stream. Several may run: one leads, the others wait."
    requires_system_checks = ()  # they import the web's routes: time and memory that this process has no use for

    def handle(self, *args: Any, **options: Any) -> None:
        relay = Relay(settings.DATABASE_SYSTEM_URL, valkey.client())
        install_stop(relay.stop)
        relay.run()
