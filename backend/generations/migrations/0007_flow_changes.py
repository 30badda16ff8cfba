"""The claim finds the flow that is next by an index; what happens to a flow is told to it by rows that it folds in."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

LANES = [("interactive", "interactive"), ("batch", "batch")]
PROTECT = """
CALL protect_tenant_table('generations_flowchange');
GRANT SELECT, INSERT, DELETE ON generations_flowchange TO atelier_system;
-- Many rows come and go: what is dead must not be walked over.
ALTER TABLE generations_flowchange SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
ALTER TABLE generations_flowclock SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 2000);
"""
# By the database, so that no way to queue a job can forget it: one row for each flow that an INSERT adds jobs to, and
# one for each job that is queued again.
TRIGGERS = """
CREATE FUNCTION generations_tell_queued() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO generations_flowchange (lane, workspace_id, person_id, ready_at, cost_us)
    SELECT lane, workspace_id, person_id, min(not_before), 0 FROM added WHERE state = 'queued' GROUP BY 1, 2, 3;
    RETURN NULL;
END $$;
CREATE FUNCTION generations_tell_queued_again() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO generations_flowchange (lane, workspace_id, person_id, ready_at, cost_us)
    VALUES (new.lane, new.workspace_id, new.person_id, new.not_before, 0);
    RETURN NULL;
END $$;
CREATE TRIGGER tell_queued AFTER INSERT ON generations_job REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION generations_tell_queued();
CREATE TRIGGER tell_queued_again AFTER UPDATE ON generations_job
    FOR EACH ROW WHEN (new.state = 'queued') EXECUTE FUNCTION generations_tell_queued_again();
"""
# What is there already: who waits is told, and who comes joins the highest.
FILL = """
SET CONSTRAINTS ALL IMMEDIATE;
ALTER TABLE generations_job NO FORCE ROW LEVEL SECURITY;
ALTER TABLE generations_flowclock NO FORCE ROW LEVEL SECURITY;
ALTER TABLE generations_flowchange NO FORCE ROW LEVEL SECURITY;
INSERT INTO generations_flowchange (lane, workspace_id, person_id, ready_at, cost_us)
    SELECT lane, workspace_id, person_id, min(not_before), 0 FROM generations_job WHERE state = 'queued'
    GROUP BY 1, 2, 3;
UPDATE generations_flowclock AS home SET floor_us = own.highest FROM (
    SELECT lane, workspace_id, max(clock_us) AS highest FROM generations_flowclock WHERE person_id IS NOT NULL
    GROUP BY 1, 2) own
WHERE home.person_id IS NULL AND (home.lane, home.workspace_id) = (own.lane, own.workspace_id);
INSERT INTO generations_flowclock (lane, clock_us, floor_us)
    SELECT lane, 0, max(clock_us) FROM generations_flowclock WHERE person_id IS NULL GROUP BY 1;
ALTER TABLE generations_flowchange FORCE ROW LEVEL SECURITY;
ALTER TABLE generations_flowclock FORCE ROW LEVEL SECURITY;
ALTER TABLE generations_job FORCE ROW LEVEL SECURITY;
"""


class Migration(migrations.Migration):
    dependencies = [("generations", "0006_batches"), migrations.swappable_dependency(settings.AUTH_USER_MODEL)]

    operations = [
        migrations.RemoveField("flowclock", "busy"),
        migrations.AddField("flowclock", "ready_at", models.DateTimeField(null=True)),
        migrations.AddField("flowclock", "floor_us", models.BigIntegerField(default=0)),
        migrations.AlterField(
            "flowclock",
            "workspace",
            models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="workspaces.workspace"
            ),
        ),
        migrations.AddIndex(
            "flowclock",
            models.Index(
                fields=["lane", "clock_us", "ready_at"],
                name="flow_next_workspace",
                condition=models.Q(person__isnull=True, workspace__isnull=False, ready_at__isnull=False),
            ),
        ),
        migrations.AddIndex(
            "flowclock",
            models.Index(
                fields=["lane", "workspace", "clock_us", "ready_at"],
                name="flow_next_person",
                condition=models.Q(person__isnull=False, ready_at__isnull=False),
            ),
        ),
        migrations.CreateModel(
            "FlowChange",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("lane", models.TextField(choices=LANES)),
                ("ready_at", models.DateTimeField(null=True)),
                ("cost_us", models.BigIntegerField()),
                (
                    "workspace",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="workspaces.workspace"
                    ),
                ),
                (
                    "person",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
        ),
        migrations.RunSQL(PROTECT, migrations.RunSQL.noop),
        migrations.RunSQL(TRIGGERS, migrations.RunSQL.noop),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
    ]
