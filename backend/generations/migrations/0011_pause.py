"""Whether jobs may begin."""

import django.db.models.functions
from django.db import migrations, models

GRANTS = """
REVOKE ALL ON generations_pause FROM atelier_app;
GRANT SELECT, INSERT, DELETE ON generations_pause TO atelier_system;
"""


class Migration(migrations.Migration):
    dependencies = [("generations", "0010_budgets")]

    operations = [
        migrations.CreateModel(
            "Pause",
            fields=[
                ("id", models.SmallIntegerField(primary_key=True, serialize=False)),
                ("since", models.DateTimeField(db_default=django.db.models.functions.Now())),
            ],
            options={"constraints": [models.CheckConstraint(condition=models.Q(id=1), name="pause_one")]},
        ),
        migrations.RunSQL(GRANTS, migrations.RunSQL.noop),
    ]
