"""`manage.py learner`: the process that learns from events what to suggest."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from backend.core import process, valkey
from backend.recommendations import stream
from backend.recommendations.learner import Learner


class Command(BaseCommand):
    help = "Learn from the events what to suggest. Several may run: one learns, the others wait."
    requires_system_checks = ()  # they import the web's routes: time and memory that this process has no use for

    def handle(self, *args: Any, **options: Any) -> None:
        process.begin("learner")
        stream.follow_lag()
        Learner(settings.DATABASE_SYSTEM_URL, valkey.client()).run_until_told()
