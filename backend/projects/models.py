"""Projects, their documents, and the tickets by which a program opens a document's socket.

`version` counts the writes of a row: it is the thing's ETag.
"""

from django.db import models
from django.db.models.functions import Now

from backend.core import ids
from backend.core.folding import folded
from backend.workspaces.models import Person, Workspace


class Project(models.Model):
    id = models.UUIDField(primary_key=True, default=ids.new_id, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="projects", db_index=False)
    name = models.TextField()
    folded = folded("name")
    version = models.IntegerField(default=1)
    created_by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [  # one for each order of the list, so that a page is read and nothing is sorted
            models.Index(fields=["workspace", "created_at", "id"], name="project_by_time"),
            models.Index(fields=["workspace", "folded", "id"], name="project_by_name"),
        ]


class DocumentKind(models.TextChoices):
    BOARD = "board"
    TEXT = "text"
    SCENE = "scene"


class Document(models.Model):
    """`epoch` is raised when history is cut, so that a copy from before can't push back what was erased."""

    id = models.UUIDField(primary_key=True, default=ids.new_id, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="documents", db_index=False)
    kind = models.TextField(choices=DocumentKind)
    name = models.TextField()
    folded = folded("name")
    epoch = models.IntegerField(default=0)
    version = models.IntegerField(default=1)
    created_by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(kind__in=DocumentKind.values), name="document_kind")]
        indexes = [
            models.Index(fields=["project", "created_at", "id"], name="document_by_time"),
            models.Index(fields=["project", "folded", "id"], name="document_by_name"),
        ]


class Ticket(models.Model):
    """One use, kept as a hash; whoever shows the secret before `expires_at` opens the socket as `person`.

    It holds only as long as the session or API token that asked for it.
    """

    digest = models.BinaryField(primary_key=True, max_length=32)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+")
    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="+")
    session_id = models.UUIDField(null=True)
    token_id = models.UUIDField(null=True)
    expires_at = models.DateTimeField()
