"""Names the operators' room to Django, for its commands."""

from django.apps import AppConfig


class OperationsConfig(AppConfig):
    name = "backend.operations"
    label = "operations"
