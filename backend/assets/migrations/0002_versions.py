"""Assets count their writes: the count is their ETag."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("assets", "0001_uploads_and_assets")]
    operations = [migrations.AddField("asset", "version", models.IntegerField(default=1))]
