"""Projects and documents count their writes: the count is their ETag."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("projects", "0001_projects")]
    operations = [
        migrations.AddField("project", "version", models.IntegerField(default=1)),
        migrations.AddField("document", "version", models.IntegerField(default=1)),
    ]
