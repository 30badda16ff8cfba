"""A large snapshot lies in S3, and its row says where. Servers of before must have ended: they would see none."""

from typing import ClassVar

from django.db import migrations

ADD = """
ALTER TABLE collab_snapshot
    ALTER COLUMN data DROP NOT NULL,
    ADD COLUMN object uuid,
    ADD COLUMN object_bytes bigint,
    ADD CONSTRAINT collab_snapshot_is_somewhere CHECK (num_nonnulls(data, object) = 1),
    ADD CONSTRAINT collab_snapshot_has_size CHECK ((object IS NULL) = (object_bytes IS NULL));
COMMENT ON COLUMN collab_snapshot.object IS 'collab.snapshots: under which id it lies in S3';
"""
DROP = """
ALTER TABLE collab_snapshot ALTER COLUMN data SET NOT NULL, DROP COLUMN object, DROP COLUMN object_bytes
"""


class Migration(migrations.Migration):
    dependencies: ClassVar = [("collab", "0003_snapshots_in_pieces")]
    operations: ClassVar = [migrations.RunSQL(ADD, DROP)]
