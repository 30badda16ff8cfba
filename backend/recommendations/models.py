"""What the learner keeps: the parts of its memory, how far it has read, and which events it has learned from."""

from django.db import models
from django.db.models.functions import Now

from backend.workspaces.models import Workspace


class Part(models.Model):
    """One part of a workspace's memory; see `memory`. Written by the learner alone, read by members."""

    pk = models.CompositePrimaryKey("workspace_id", "kind", "subject")
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    kind = models.TextField()  # "workspace", "person" or "project"
    subject = models.UUIDField()  # the id of that workspace, person or project
    data = models.JSONField()
    saved_at = models.DateTimeField(db_default=Now())


class Position(models.Model):
    """The last entry of the stream whose effect is saved, in which life of the Valkey server."""

    stream = models.TextField(primary_key=True)
    run_id = models.TextField()
    entry_id = models.TextField()


class Seen(models.Model):
    """An event that was learned from. What is in the outbox and not here is still to be learned."""

    event_id = models.UUIDField(primary_key=True)
