"""Names the room to Django, and makes our Celery the current app wherever it is loaded."""

from importlib import import_module

from django.apps import AppConfig


class GenerationsConfig(AppConfig):
    name = "backend.generations"
    label = "generations"

    def ready(self) -> None:
        # Without it `core.queue` would send to Celery's default broker, amqp on localhost, and wait 6 s for it.
        import_module("backend.celery")
