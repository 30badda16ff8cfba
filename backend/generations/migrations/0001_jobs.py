"""Jobs, the ledger of their compute, and the clocks of the fair scheduler."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

PROTECT = """
CALL protect_tenant_table('generations_job');
CALL protect_tenant_table('generations_charge');
CALL protect_tenant_table('generations_flowclock');
-- The claim looks over all workspaces; what follows it goes on as the tenant.
GRANT SELECT, UPDATE ON generations_job TO atelier_system;
GRANT SELECT, INSERT, UPDATE ON generations_flowclock TO atelier_system;
"""


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("assets", "0001_uploads_and_assets"),
        ("projects", "0001_projects"),
        ("workspaces", "0001_people"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Job",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("task", models.TextField()),
                ("task_version", models.TextField()),
                ("parameters", models.JSONField()),
                ("document_id", models.UUIDField(null=True)),
                ("element_id", models.TextField(null=True)),
                ("edit_id", models.UUIDField(null=True)),
                ("idempotency_key", models.TextField(null=True)),
                ("request_digest", models.CharField(max_length=64)),
                ("traceparent", models.TextField()),
                (
                    "state",
                    models.TextField(
                        choices=[
                            ("queued", "queued"),
                            ("running", "running"),
                            ("succeeded", "succeeded"),
                            ("failed", "failed"),
                            ("cancelled", "cancelled"),
                        ],
                        default="queued",
                    ),
                ),
                ("attempt", models.IntegerField(default=0)),
                ("losses", models.IntegerField(default=0)),
                ("not_before", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("lease_until", models.DateTimeField(null=True)),
                ("staged", models.JSONField(default=list)),
                ("progress_done", models.IntegerField(default=0)),
                ("progress_total", models.IntegerField(default=0)),
                ("error", models.JSONField(null=True)),
                ("estimate_us", models.BigIntegerField()),
                ("compute_us", models.BigIntegerField(null=True)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("started_at", models.DateTimeField(null=True)),
                ("finished_at", models.DateTimeField(null=True)),
                (
                    "input_asset",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="assets.asset"
                    ),
                ),
                (
                    "output_asset",
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
            name="Charge",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("task", models.TextField()),
                ("model", models.TextField()),
                ("compute_us", models.BigIntegerField()),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
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
                (
                    "job",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, related_name="charge", to="generations.job"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="FlowClock",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("clock_us", models.BigIntegerField(default=0)),
                ("busy", models.BooleanField(default=False)),
                (
                    "person",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "workspace",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="workspaces.workspace"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("workspace", "person"), name="flow_once", nulls_distinct=False)
                ],
            },
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                condition=models.Q(("state", "queued")), fields=["workspace", "person", "id"], name="job_queue"
            ),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(condition=models.Q(("state", "running")), fields=["lease_until"], name="job_leases"),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                condition=models.Q(("staged", []), _negated=True), fields=["finished_at"], name="job_staged"
            ),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(fields=["project", "-id"], name="job_project_newest"),
        ),
        migrations.AddConstraint(
            model_name="job",
            constraint=models.UniqueConstraint(
                fields=("workspace", "person", "idempotency_key"), name="job_idempotency"
            ),
        ),
        migrations.AddConstraint(
            model_name="job",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ["queued", "running", "succeeded", "failed", "cancelled"])),
                name="job_state",
            ),
        ),
        migrations.AddConstraint(
            model_name="job",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("finished_at__isnull", False), ("state__in", ["cancelled", "failed", "succeeded"])),
                    models.Q(("finished_at__isnull", True), ("state__in", ["queued", "running"])),
                    _connector="OR",
                ),
                name="job_ended",
            ),
        ),
        migrations.AddIndex(
            model_name="charge",
            index=models.Index(fields=["workspace", "created_at"], name="charge_workspace_time"),
        ),
        migrations.RunSQL(PROTECT, migrations.RunSQL.noop),
    ]
