"""The learner's tables. Only its own role writes them; members read the parts of their workspaces."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models.functions import Now

RIGHTS = """
CALL protect_tenant_table('recommendations_part');
REVOKE ALL ON recommendations_part, recommendations_position, recommendations_seen FROM atelier_app;
-- No policy: these two belong to no tenant; only the learner's role, which passes row-level security, comes here.
ALTER TABLE recommendations_position ENABLE ROW LEVEL SECURITY;
ALTER TABLE recommendations_position FORCE ROW LEVEL SECURITY;
ALTER TABLE recommendations_seen ENABLE ROW LEVEL SECURITY;
ALTER TABLE recommendations_seen FORCE ROW LEVEL SECURITY;
GRANT SELECT ON recommendations_part TO atelier_app;
GRANT SELECT, INSERT, UPDATE, DELETE
    ON recommendations_part, recommendations_position, recommendations_seen TO atelier_system;
"""


class Migration(migrations.Migration):
    initial = True
    dependencies = [("core", "0001_outbox"), ("workspaces", "0001_people")]
    operations = [
        migrations.CreateModel(
            name="Part",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "workspace_id", "kind", "subject", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "workspace",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="workspaces.workspace"
                    ),
                ),
                ("kind", models.TextField()),
                ("subject", models.UUIDField()),
                ("data", models.JSONField()),
                ("saved_at", models.DateTimeField(db_default=Now())),
            ],
        ),
        migrations.CreateModel(
            name="Position",
            fields=[
                ("stream", models.TextField(primary_key=True, serialize=False)),
                ("run_id", models.TextField()),
                ("entry_id", models.TextField()),
            ],
        ),
        migrations.CreateModel(
            name="Seen",
            fields=[("event_id", models.UUIDField(primary_key=True, serialize=False))],
        ),
        migrations.RunSQL(RIGHTS, migrations.RunSQL.noop),
    ]
