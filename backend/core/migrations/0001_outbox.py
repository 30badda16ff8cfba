"""The outbox, and the procedure by which every table of a tenant is protected."""

from django.db import migrations, models
from django.db.models.functions import Now

PROTECT = """
CREATE FUNCTION app_person() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE AS
    $$ SELECT nullif(current_setting('app.person', true), '')::uuid $$;
CREATE FUNCTION app_workspace() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE AS
    $$ SELECT nullif(current_setting('app.workspace', true), '')::uuid $$;
-- The workspaces of app.person; the room that knows members replaces it.
CREATE FUNCTION app_workspaces() RETURNS SETOF uuid LANGUAGE sql STABLE AS $$ SELECT NULL::uuid WHERE false $$;

-- Read by members of the row's workspace (app.person), read and written by the transaction's tenant (app.workspace).
CREATE PROCEDURE protect_tenant_table(name regclass) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY tenant ON %s FOR ALL USING (workspace_id = (SELECT app_workspace()))', name);
    EXECUTE format('CREATE POLICY member ON %s FOR SELECT USING (workspace_id IN (SELECT app_workspaces()))', name);
END $$;
"""

# The outbox is written by tenants and read only by the relay; nobody reads it as a member.
OUTBOX = """
ALTER TABLE core_event ENABLE ROW LEVEL SECURITY;
ALTER TABLE core_event FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON core_event FOR ALL USING (workspace_id = (SELECT app_workspace()));
ALTER TABLE core_sequence ENABLE ROW LEVEL SECURITY;
ALTER TABLE core_sequence FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON core_sequence FOR ALL USING (workspace_id = (SELECT app_workspace()));
GRANT SELECT, UPDATE, DELETE ON core_event TO atelier_system;
"""


class Migration(migrations.Migration):
    initial = True
    operations = [
        migrations.RunSQL(PROTECT, migrations.RunSQL.noop),
        migrations.CreateModel(
            name="Event",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("workspace_id", models.UUIDField()),
                ("resource", models.TextField()),
                ("sequence", models.BigIntegerField()),
                ("kind", models.TextField()),
                ("person_id", models.UUIDField(null=True)),
                ("data", models.JSONField()),
                ("traceparent", models.TextField()),
                ("created_at", models.DateTimeField(db_default=Now())),
                ("published_at", models.DateTimeField(null=True)),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("published_at__isnull", True)), fields=["id"], name="event_unpublished"
                    ),
                    models.Index(fields=["workspace_id", "created_at"], name="event_workspace_time"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("workspace_id", "resource", "sequence"), name="event_resource_sequence"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Sequence",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "workspace_id", "resource", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("workspace_id", models.UUIDField()),
                ("resource", models.TextField()),
                ("value", models.BigIntegerField()),
            ],
        ),
        migrations.RunSQL(OUTBOX, migrations.RunSQL.noop),
    ]
