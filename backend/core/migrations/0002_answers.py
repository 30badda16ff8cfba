"""Answers kept for requests that are sent again."""

from django.db import migrations, models
from django.db.models.functions import Now

RIGHTS = """
ALTER TABLE core_answer ENABLE ROW LEVEL SECURITY;
ALTER TABLE core_answer FORCE ROW LEVEL SECURITY;
-- A person's own, and not of a workspace that they left. They are written once, and dropped by age.
CREATE POLICY own_read ON core_answer FOR SELECT USING (
    person_id = (SELECT app_person()) AND (workspace_id IS NULL OR workspace_id IN (SELECT app_workspaces())));
CREATE POLICY own_write ON core_answer FOR INSERT WITH CHECK (person_id = (SELECT app_person()));
REVOKE UPDATE, DELETE ON core_answer FROM atelier_app;
GRANT SELECT (person_id, key, created_at), DELETE ON core_answer TO atelier_system;
"""


class Migration(migrations.Migration):
    dependencies = [("core", "0001_outbox")]
    operations = [
        migrations.CreateModel(
            name="Answer",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "person_id", "key", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("person_id", models.UUIDField()),
                ("key", models.TextField()),
                ("workspace_id", models.UUIDField(null=True)),
                ("digest", models.BinaryField(max_length=32)),
                ("status", models.IntegerField()),
                ("headers", models.TextField()),
                ("body", models.BinaryField()),
                ("created_at", models.DateTimeField(db_default=Now())),
            ],
            options={"indexes": [models.Index(fields=["created_at"], name="answer_age")]},
        ),
        migrations.RunSQL(RIGHTS, migrations.RunSQL.noop),
    ]
