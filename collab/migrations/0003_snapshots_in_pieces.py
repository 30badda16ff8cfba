"""A large snapshot is read piece by piece: of a value that is compressed each piece would cost all before it."""

from typing import ClassVar

from django.db import migrations

ALTER = "ALTER TABLE collab_snapshot ALTER COLUMN data SET STORAGE EXTERNAL"
BACK = "ALTER TABLE collab_snapshot ALTER COLUMN data SET STORAGE EXTENDED"


class Migration(migrations.Migration):
    dependencies: ClassVar = [("collab", "0002_clients_and_contents")]
    operations: ClassVar = [migrations.RunSQL(ALTER, BACK)]
