"""Jobs that are run again, to compare their results."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("generations", "0011_pause")]

    operations = [
        migrations.AddField("job", "again_of", models.UUIDField(null=True)),
        migrations.AddField("job", "model_version", models.IntegerField(null=True)),
        migrations.AddField("job", "comparison", models.JSONField(null=True)),
    ]
