"""How much compute waits in each flow, and when a job was expected to end."""

from django.db import migrations, models

TRIGGERS = """
DROP TRIGGER tell_queued_again ON generations_job;
DROP FUNCTION generations_tell_queued_again;
CREATE OR REPLACE FUNCTION generations_tell_queued() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO generations_flowchange (lane, workspace_id, person_id, ready_at, queued_us)
    SELECT lane, workspace_id, person_id, min(not_before), sum(estimate_us) FROM added WHERE state = 'queued'
    GROUP BY 1, 2, 3;
    RETURN NULL;
END $$;
-- Not when it begins to run: the claim counts that itself.
CREATE FUNCTION generations_tell_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO generations_flowchange (lane, workspace_id, person_id, ready_at, queued_us) VALUES (
        new.lane, new.workspace_id, new.person_id, CASE WHEN new.state = 'queued' THEN new.not_before END,
        CASE WHEN new.state = 'queued' THEN new.estimate_us ELSE 0 END
            - CASE WHEN old.state = 'queued' THEN old.estimate_us ELSE 0 END);
    RETURN NULL;
END $$;
CREATE TRIGGER tell_changed AFTER UPDATE ON generations_job
    FOR EACH ROW WHEN (new.state = 'queued' OR (old.state = 'queued' AND new.state <> 'running'))
    EXECUTE FUNCTION generations_tell_changed();
"""
# What waits already; the claim will take it in.
FILL = """
SET CONSTRAINTS ALL IMMEDIATE;
ALTER TABLE generations_job NO FORCE ROW LEVEL SECURITY;
ALTER TABLE generations_flowchange NO FORCE ROW LEVEL SECURITY;
INSERT INTO generations_flowchange (lane, workspace_id, person_id, queued_us)
    SELECT lane, workspace_id, person_id, sum(estimate_us) FROM generations_job WHERE state = 'queued' GROUP BY 1, 2, 3;
ALTER TABLE generations_flowchange FORCE ROW LEVEL SECURITY;
ALTER TABLE generations_job FORCE ROW LEVEL SECURITY;
"""


class Migration(migrations.Migration):
    dependencies = [("generations", "0007_flow_changes")]

    operations = [
        migrations.AddField("job", "ahead_us", models.BigIntegerField(default=0, db_default=0)),
        migrations.AddField("job", "expected", models.JSONField(null=True)),
        migrations.AddField("flowclock", "queued_us", models.BigIntegerField(default=0)),
        migrations.AddField("flowchange", "queued_us", models.BigIntegerField(db_default=0)),
        migrations.AlterField("flowchange", "cost_us", models.BigIntegerField(db_default=0)),
        migrations.AddIndex(
            "job",
            models.Index(
                fields=["lane", "task", "-finished_at"],
                name="job_measured",
                condition=models.Q(state="succeeded", expected__isnull=False),
            ),
        ),
        migrations.RunSQL(TRIGGERS, migrations.RunSQL.noop),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
    ]
