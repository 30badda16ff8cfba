"""Orders of the list of jobs."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("assets", "0003_lists"),
        ("generations", "0002_no_keys"),
        ("projects", "0003_lists"),
        ("workspaces", "0001_people"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="job",
            name="job_project_newest",
        ),
        migrations.AlterField(
            model_name="job",
            name="project",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="projects.project"
            ),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(fields=["project", "created_at", "id"], name="job_by_time"),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(fields=["project", "state", "created_at", "id"], name="job_by_state"),
        ),
    ]
