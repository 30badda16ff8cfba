"""Names co-editing to Django, for its migrations."""

from django.apps import AppConfig


class CollabConfig(AppConfig):
    name = "collab"
    label = "collab"
