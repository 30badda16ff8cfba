"""Jobs that were asked for at once."""

import django.db.models.deletion
import django.db.models.functions
from django.conf import settings
from django.db import migrations, models

PROTECT = "CALL protect_tenant_table('generations_batch')"


class Migration(migrations.Migration):
    dependencies = [
        ("generations", "0005_lanes"),
        ("projects", "0003_lists"),
        ("workspaces", "0001_people"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            "Batch",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("task", models.TextField()),
                ("jobs", models.IntegerField()),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.Now())),
                (
                    "workspace",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="workspaces.workspace"
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="projects.project",
                    ),
                ),
                (
                    "person",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["project", "created_at", "id"], name="batch_by_time")],
            },
        ),
        migrations.AddField(
            "job",
            "batch",
            models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="generations.batch",
            ),
        ),
        migrations.AddIndex(
            "job",
            models.Index(fields=["batch", "state"], name="job_by_batch", condition=models.Q(batch__isnull=False)),
        ),
        migrations.RunSQL(PROTECT, migrations.RunSQL.noop),
    ]
