"""What was charged stays as it was written."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("generations", "0003_lists")]

    operations = [
        migrations.RunSQL(
            "REVOKE UPDATE, DELETE ON generations_charge FROM atelier_app",
            "GRANT UPDATE, DELETE ON generations_charge TO atelier_app",
        )
    ]
