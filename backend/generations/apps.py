"""Names the room to Django."""

from django.apps import AppConfig


class GenerationsConfig(AppConfig):
    name = "backend.generations"
    label = "generations"
