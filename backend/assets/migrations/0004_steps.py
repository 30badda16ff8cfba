"""Results that several tasks made one after another."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("assets", "0003_lists")]

    operations = [migrations.AddField("lineage", "steps", models.JSONField(null=True))]
