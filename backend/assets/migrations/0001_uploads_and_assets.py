"""Uploads, assets and their lineage, each row its tenant's."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

PROTECT = """
CALL protect_tenant_table('assets_upload');
CALL protect_tenant_table('assets_asset');
CALL protect_tenant_table('assets_lineage');
-- What the sweeper of expired uploads reads, and nothing else.
GRANT SELECT (id, workspace_id, sha256, expires_at, swept_at) ON assets_upload TO atelier_system;
"""


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("projects", "0001_projects"),
        ("workspaces", "0001_people"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Asset",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("name", models.TextField()),
                ("media_type", models.TextField()),
                ("width", models.IntegerField()),
                ("height", models.IntegerField()),
                ("size_bytes", models.BigIntegerField()),
                ("sha256", models.CharField(max_length=64)),
                ("renditions", models.JSONField()),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "created_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="assets", to="projects.project"
                    ),
                ),
                (
                    "workspace",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="workspaces.workspace"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Upload",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("filename", models.TextField()),
                ("media_type", models.TextField()),
                ("size_bytes", models.BigIntegerField()),
                ("sha256", models.CharField(max_length=64)),
                (
                    "state",
                    models.TextField(
                        choices=[
                            ("started", "Started"),
                            ("finished", "Finished"),
                            ("refused", "Refused"),
                            ("expired", "Expired"),
                        ],
                        default="started",
                    ),
                ),
                ("refusal", models.JSONField(null=True)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("expires_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField(null=True)),
                ("swept_at", models.DateTimeField(null=True)),
                (
                    "asset",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="assets.asset"
                    ),
                ),
                (
                    "person",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="projects.project"
                    ),
                ),
                (
                    "workspace",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="workspaces.workspace"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Lineage",
            fields=[
                (
                    "asset",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="lineage",
                        serialize=False,
                        to="assets.asset",
                    ),
                ),
                ("job_id", models.UUIDField(unique=True)),
                ("task", models.TextField()),
                ("task_version", models.TextField()),
                ("model", models.TextField()),
                ("model_version", models.TextField()),
                ("model_digest", models.TextField()),
                ("dtype", models.TextField()),
                ("parameters", models.JSONField()),
                ("compute_us", models.BigIntegerField()),
                (
                    "parent",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="children",
                        to="assets.asset",
                    ),
                ),
                (
                    "workspace",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="workspaces.workspace"
                    ),
                ),
            ],
        ),
        migrations.AddIndex(
            model_name="asset",
            index=models.Index(fields=["project", "-id"], name="asset_project_newest"),
        ),
        migrations.AddIndex(
            model_name="asset",
            index=models.Index(fields=["workspace", "sha256"], name="asset_content"),
        ),
        migrations.AddIndex(
            model_name="upload",
            index=models.Index(
                condition=models.Q(("swept_at__isnull", True)), fields=["expires_at"], name="upload_unswept"
            ),
        ),
        migrations.AddConstraint(
            model_name="upload",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ["started", "finished", "refused", "expired"])), name="upload_state"
            ),
        ),
        migrations.AddConstraint(
            model_name="upload",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "refused"), _negated=True), ("refusal__isnull", False), _connector="OR"
                ),
                name="upload_refusal",
            ),
        ),
        migrations.RunSQL(PROTECT, migrations.RunSQL.noop),
    ]
