"""Whose rights changed, as the transaction that changed them notes it: what was let in by them is then looked at again.

A trigger, so that no way to change a right can forget it. Valkey tells the same, sooner; this is what holds without it.
"""

from typing import ClassVar

from django.db import migrations

ADD = """
CREATE TABLE workspaces_access_change (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    workspace_id uuid,
    person_id uuid,
    document_id uuid,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE workspaces_access_change IS 'of all that is named: of a person everywhere, where only the person is';
CREATE INDEX workspaces_access_change_xid ON workspaces_access_change (xid);
CREATE INDEX workspaces_access_change_age ON workspaces_access_change (created_at);
ALTER TABLE workspaces_access_change ENABLE ROW LEVEL SECURITY;
ALTER TABLE workspaces_access_change FORCE ROW LEVEL SECURITY;
CREATE POLICY note ON workspaces_access_change FOR ALL TO CURRENT_USER USING (true);
REVOKE ALL ON workspaces_access_change FROM atelier_app;
GRANT SELECT ON workspaces_access_change TO atelier_system;

-- Of a trigger: the columns that hold the workspace, the person and the document ('' for none), then those of which an
-- update counts.
CREATE FUNCTION app_note_access_change() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    before jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END;
    after jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END;
    one jsonb := coalesce(after, before);
BEGIN
    IF TG_OP = 'UPDATE' AND NOT EXISTS (
        SELECT FROM unnest(TG_ARGV[3:]) AS name WHERE before -> name IS DISTINCT FROM after -> name
    ) THEN
        RETURN NULL;
    END IF;
    INSERT INTO workspaces_access_change (workspace_id, person_id, document_id)
    SELECT (one ->> TG_ARGV[0])::uuid, (one ->> TG_ARGV[1])::uuid, (one ->> TG_ARGV[2])::uuid
    WHERE num_nonnulls(one ->> TG_ARGV[0], one ->> TG_ARGV[1], one ->> TG_ARGV[2]) > 0;
    RETURN NULL;
END $$;
CREATE FUNCTION app_drop_old_access_changes() RETURNS void
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    DELETE FROM workspaces_access_change WHERE created_at < now() - interval '1 hour';
$$;
CREATE TRIGGER note_access_change AFTER INSERT OR UPDATE OR DELETE ON workspaces_member
    FOR EACH ROW EXECUTE FUNCTION app_note_access_change('workspace_id', 'person_id', '', 'role');
CREATE TRIGGER note_access_change AFTER UPDATE OR DELETE ON workspaces_person
    FOR EACH ROW EXECUTE FUNCTION
    app_note_access_change('', 'id', '', 'is_active', 'password', 'name', 'email', 'colour');
CREATE TRIGGER note_access_change AFTER UPDATE OR DELETE ON workspaces_apitoken
    FOR EACH ROW EXECUTE FUNCTION app_note_access_change('', 'person_id', '', 'scopes', 'workspace_id', 'expires_at');
CREATE TRIGGER note_access_change AFTER UPDATE OR DELETE ON workspaces_session
    FOR EACH ROW EXECUTE FUNCTION app_note_access_change('', 'person_id', '', 'person_id', 'expires_at');
"""
DROP = """
DROP TRIGGER note_access_change ON workspaces_member;
DROP TRIGGER note_access_change ON workspaces_person;
DROP TRIGGER note_access_change ON workspaces_apitoken;
DROP TRIGGER note_access_change ON workspaces_session;
DROP FUNCTION app_note_access_change, app_drop_old_access_changes;
DROP TABLE workspaces_access_change;
"""


class Migration(migrations.Migration):
    dependencies: ClassVar = [("workspaces", "0005_session_first_seen")]
    operations: ClassVar = [migrations.RunSQL(ADD, DROP)]
