"""`manage.py relay`: the process that moves events from the outbox to the stream."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from backend.core import outbox, process, valkey
from backend.core.relay import Relay


class Command(BaseCommand):
    help = "Move committed events from the outbox to the stream. Several may run: one leads, the others wait."
    requires_system_checks = ()  # they import the web's routes: time and memory that this process has no use for

    def handle(self, *args: Any, **options: Any) -> None:
        process.begin("relay")
        outbox.follow()
        Relay(settings.DATABASE_SYSTEM_URL, valkey.client()).run_until_told()
