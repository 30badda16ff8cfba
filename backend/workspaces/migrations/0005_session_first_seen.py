"""A session that was made without a device is given that of its first request, not of one a minute later."""

from django.db import migrations

USE = """
CREATE OR REPLACE FUNCTION app_use_session(shown bytea, seen_from inet, seen_on text) RETURNS SETOF workspaces_session
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE workspaces_session
    SET seen_at = now(), address = coalesce(seen_from, address), device = coalesce(nullif(seen_on, ''), device)
    WHERE digest = shown AND expires_at > now()
        AND (seen_at < now() - interval '1 minute' OR (device = '' AND seen_on <> ''));
    SELECT * FROM workspaces_session WHERE digest = shown AND expires_at > now();
$$;
"""


class Migration(migrations.Migration):
    dependencies = [("workspaces", "0004_invitations")]

    operations = [migrations.RunSQL(USE, migrations.RunSQL.noop)]
