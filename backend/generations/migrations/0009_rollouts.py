"""Which version of a model jobs are run by."""

from django.db import migrations, models

GRANTS = """
REVOKE ALL ON generations_rollout FROM atelier_app;
GRANT SELECT, INSERT, UPDATE ON generations_rollout TO atelier_system;
"""


class Migration(migrations.Migration):
    dependencies = [("generations", "0008_forecasts")]

    operations = [
        migrations.CreateModel(
            "Rollout",
            fields=[
                ("model", models.TextField(primary_key=True, serialize=False)),
                ("version", models.IntegerField()),
                ("previous", models.IntegerField(null=True)),
                ("canary", models.IntegerField(null=True)),
                ("canary_percent", models.IntegerField(default=0)),
                ("changed_at", models.DateTimeField(auto_now=True)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(condition=models.Q(canary_percent__range=(0, 100)), name="rollout_percent")
                ],
            },
        ),
        migrations.RunSQL(GRANTS, migrations.RunSQL.noop),
    ]
