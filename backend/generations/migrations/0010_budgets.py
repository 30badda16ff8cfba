"""Limits on a month's compute, and an index by which the month's charges are summed without reading their rows."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

PROTECT = "CALL protect_tenant_table('generations_budget')"


class Migration(migrations.Migration):
    dependencies = [
        ("generations", "0009_rollouts"),
        ("workspaces", "0001_people"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            "Budget",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("soft_us", models.BigIntegerField(null=True)),
                ("hard_us", models.BigIntegerField(null=True)),
                ("noticed", models.DateTimeField(null=True)),
                (
                    "workspace",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="workspaces.workspace"
                    ),
                ),
                (
                    "person",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("workspace", "person"), name="budget_once", nulls_distinct=False)
                ],
            },
        ),
        migrations.RunSQL(PROTECT, migrations.RunSQL.noop),
        migrations.RemoveIndex("charge", "charge_workspace_time"),
        migrations.AddIndex(
            "charge",
            models.Index(
                fields=["workspace", "created_at", "id"], include=["person", "compute_us"], name="charge_by_month"
            ),
        ),
    ]
