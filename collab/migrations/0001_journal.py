"""The journal: updates as they were committed, one snapshot of a document, and edits made from Python.

`xid` is the transaction that wrote the row: what committed after a look is found by "xid >= the oldest transaction that
was open at that look". Ids can't tell, because they don't commit in their order.
"""

from typing import ClassVar

from django.db import migrations

TABLES = """
CREATE TABLE collab_update (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    document_id uuid NOT NULL,
    workspace_id uuid NOT NULL,
    person_id uuid,
    author text NOT NULL DEFAULT '',
    data bytea NOT NULL,
    writer uuid NOT NULL,
    seq bigint NOT NULL,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX collab_update_document ON collab_update (document_id, id);
CREATE INDEX collab_update_xid ON collab_update (xid);
COMMENT ON COLUMN collab_update.writer IS 'the process that wrote the row, or the edit (collab_edit.id)';
COMMENT ON COLUMN collab_update.seq IS 'number of the flush in that process';

CREATE TABLE collab_snapshot (
    document_id uuid PRIMARY KEY,
    workspace_id uuid NOT NULL,
    data bytea NOT NULL,
    writer uuid NOT NULL,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX collab_snapshot_xid ON collab_snapshot (xid);

CREATE TABLE collab_edit (
    id uuid PRIMARY KEY,
    document_id uuid NOT NULL,
    workspace_id uuid NOT NULL,
    author text NOT NULL,
    on_behalf_of uuid,
    client_id bigint NOT NULL,
    clock bigint NOT NULL,
    before jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    undone_at timestamptz
);
CREATE INDEX collab_edit_document ON collab_edit (document_id);
COMMENT ON COLUMN collab_edit.clock IS 'how many Yjs structs the edit made, all under client_id';
COMMENT ON COLUMN collab_edit.before IS '[{map, key, value}]: what the edit replaced or removed; value null: nothing';

CALL protect_tenant_table('collab_update');
CALL protect_tenant_table('collab_snapshot');
CALL protect_tenant_table('collab_edit');
GRANT SELECT, INSERT, DELETE ON collab_update TO atelier_system;
GRANT SELECT, INSERT, UPDATE, DELETE ON collab_snapshot TO atelier_system;
GRANT SELECT ON collab_edit TO atelier_system;
"""
DROP = "DROP TABLE collab_edit, collab_snapshot, collab_update"


class Migration(migrations.Migration):
    initial = True
    dependencies: ClassVar = [("core", "0001_outbox")]
    operations: ClassVar = [migrations.RunSQL(TABLES, DROP)]
