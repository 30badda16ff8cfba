"""The outbox: what happened, in order for each resource; and answers kept for requests that are sent again."""

from django.db import models
from django.db.models.functions import Now


class Event(models.Model):
    """One fact. `published_at` is set by the relay when the stream has it."""

    id = models.UUIDField(primary_key=True)
    workspace_id = models.UUIDField()
    resource = models.TextField()
    sequence = models.BigIntegerField()
    kind = models.TextField()
    person_id = models.UUIDField(null=True)
    data = models.JSONField()
    traceparent = models.TextField()
    created_at = models.DateTimeField(db_default=Now())
    published_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace_id", "resource", "sequence"], name="event_resource_sequence")
        ]
        indexes = [
            models.Index(fields=["id"], name="event_unpublished", condition=models.Q(published_at__isnull=True)),
            models.Index(fields=["workspace_id", "created_at"], name="event_workspace_time"),
        ]


class Sequence(models.Model):
    """The last sequence number given for a resource; its row lock is what orders the resource's events."""

    pk = models.CompositePrimaryKey("workspace_id", "resource")
    workspace_id = models.UUIDField()
    resource = models.TextField()
    value = models.BigIntegerField()


class Answer(models.Model):
    """What a POST with an Idempotency-Key was answered. Its person sees it while they may see its workspace."""

    pk = models.CompositePrimaryKey("person_id", "key")
    person_id = models.UUIDField()
    key = models.TextField()
    workspace_id = models.UUIDField(null=True)
    digest = models.BinaryField(max_length=32)  # of method, address and body
    status = models.IntegerField()
    headers = models.TextField()
    body = models.BinaryField()  # sealed
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index(fields=["created_at"], name="answer_age")]
