"""Lanes, and a time by which a job is to start."""

from django.db import migrations, models

LANES = [("interactive", "interactive"), ("batch", "batch")]
STATES = ["queued", "running", "succeeded", "failed", "cancelled", "expired"]
ENDED = ["cancelled", "expired", "failed", "succeeded"]


class Migration(migrations.Migration):
    dependencies = [("generations", "0004_charges_stay")]

    operations = [
        migrations.AddField(
            "job", "lane", models.TextField(choices=LANES, default="interactive", db_default="interactive")
        ),
        migrations.AddField("job", "start_by", models.DateTimeField(null=True)),
        migrations.AddField("job", "run_timeout_s", models.IntegerField(null=True)),
        migrations.AddField(
            "flowclock", "lane", models.TextField(choices=LANES, default="interactive", db_default="interactive")
        ),
        migrations.AlterField(
            "job", "state", models.TextField(choices=[(state, state) for state in STATES], default="queued")
        ),
        migrations.RemoveConstraint("job", "job_state"),
        migrations.AddConstraint("job", models.CheckConstraint(condition=models.Q(state__in=STATES), name="job_state")),
        migrations.RemoveConstraint("job", "job_ended"),
        migrations.AddConstraint(
            "job",
            models.CheckConstraint(
                condition=models.Q(finished_at__isnull=False, state__in=ENDED)
                | models.Q(finished_at__isnull=True, state__in=["queued", "running"]),
                name="job_ended",
            ),
        ),
        migrations.RemoveIndex("job", "job_queue"),
        migrations.AddIndex(
            "job",
            models.Index(
                fields=["lane", "workspace", "person", "id"], name="job_queue", condition=models.Q(state="queued")
            ),
        ),
        migrations.AddIndex(
            "job",
            models.Index(
                fields=["start_by"],
                name="job_start_by",
                condition=models.Q(state="queued", start_by__isnull=False),
            ),
        ),
        migrations.RemoveConstraint("flowclock", "flow_once"),
        migrations.AddConstraint(
            "flowclock",
            models.UniqueConstraint(fields=["lane", "workspace", "person"], name="flow_once", nulls_distinct=False),
        ),
    ]
