"""Uploads on their way, the assets that a team keeps, and where an asset came from."""

from django.db import models
from django.db.models.functions import Now

from backend.core.folding import folded
from backend.projects.models import Project
from backend.workspaces.models import Person, Workspace


class UploadState(models.TextChoices):
    STARTED = "started"
    FINISHED = "finished"
    REFUSED = "refused"
    EXPIRED = "expired"


class Upload(models.Model):
    """What was announced. Started until its bytes were verified, refused or forgotten; then it changes no more."""

    id = models.UUIDField(primary_key=True)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    filename = models.TextField()
    media_type = models.TextField()
    size_bytes = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)
    state = models.TextField(choices=UploadState, default=UploadState.STARTED)
    asset = models.ForeignKey("Asset", on_delete=models.SET_NULL, null=True, related_name="+")
    refusal = models.JSONField(null=True)  # {code, detail}: what a repeated finish answers
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    swept_at = models.DateTimeField(null=True)  # when the sweeper deleted what was left of it

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(state__in=UploadState.values), name="upload_state"),
            models.CheckConstraint(
                condition=~models.Q(state=UploadState.REFUSED) | models.Q(refusal__isnull=False), name="upload_refusal"
            ),
        ]
        indexes = [
            models.Index(fields=["expires_at"], name="upload_unswept", condition=models.Q(swept_at__isnull=True))
        ]


class Asset(models.Model):
    """A verified picture. Its bytes lie in S3 under its SHA-256; assets of equal content share them.

    `renditions`: {"web"|"thumbnail": {"key", "media_type", "width", "height"}}.
    """

    id = models.UUIDField(primary_key=True)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", db_index=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="assets", db_index=False)
    name = models.TextField()
    folded = folded("name")
    media_type = models.TextField()
    width = models.IntegerField()
    height = models.IntegerField()
    size_bytes = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)
    renditions = models.JSONField()
    version = models.IntegerField(default=1)  # counts the writes of the row: the asset's ETag
    created_by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [
            models.Index(fields=["workspace", "sha256"], name="asset_content"),
            # One for each order of each list, so that a page is read and nothing is sorted. Each holds what row-level
            # security and search look at, so that a search runs through the index alone.
            models.Index(fields=["project", "created_at", "id"], include=["workspace", "folded"], name="asset_by_time"),
            models.Index(fields=["project", "folded", "id"], include=["workspace"], name="asset_by_name"),
            models.Index(fields=["project", "size_bytes", "id"], include=["workspace", "folded"], name="asset_by_size"),
            models.Index(fields=["workspace", "created_at", "id"], include=["folded"], name="asset_all_by_time"),
            models.Index(fields=["workspace", "folded", "id"], name="asset_all_by_name"),
            models.Index(fields=["workspace", "size_bytes", "id"], include=["folded"], name="asset_all_by_size"),
        ]


class Lineage(models.Model):
    """How an asset was made from another one. One row a job: a job's result is kept once, whoever tries to keep it.

    `steps`: where several tasks made it one after another, each with what the columns say of the last; else null.
    """

    asset = models.OneToOneField(Asset, on_delete=models.CASCADE, primary_key=True, related_name="lineage")
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    parent = models.ForeignKey(Asset, on_delete=models.SET_NULL, null=True, related_name="children")
    job_id = models.UUIDField(unique=True)
    task = models.TextField()
    task_version = models.TextField()
    model = models.TextField()
    model_version = models.TextField()
    model_digest = models.TextField()
    dtype = models.TextField()
    parameters = models.JSONField()
    compute_us = models.BigIntegerField()
    steps = models.JSONField(null=True)
