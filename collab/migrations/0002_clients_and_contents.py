"""What a snapshot holds, beside it: so that opening a document need not read it. Whose the Yjs client ids are."""

from typing import ClassVar

from django.db import migrations

ADD = """
ALTER TABLE collab_snapshot ADD COLUMN contents bytea;
COMMENT ON COLUMN collab_snapshot.contents IS 'collab.room.Packed.index';

CREATE TABLE collab_client (
    document_id uuid NOT NULL,
    client_id bigint NOT NULL,
    workspace_id uuid NOT NULL,
    person_id uuid,
    PRIMARY KEY (document_id, client_id)
);
COMMENT ON TABLE collab_client IS 'who made the first change under it (null: the server); only they make more';
CALL protect_tenant_table('collab_client');
GRANT SELECT, INSERT ON collab_client TO atelier_system;
"""
DROP = "DROP TABLE collab_client; ALTER TABLE collab_snapshot DROP COLUMN contents"


class Migration(migrations.Migration):
    dependencies: ClassVar = [("collab", "0001_journal")]
    operations: ClassVar = [migrations.RunSQL(ADD, DROP)]
