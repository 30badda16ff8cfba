"""Orders and search of the lists of projects and documents."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("core", "0003_folding"),
        ("projects", "0002_versions"),
        ("workspaces", "0001_people"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="document",
            name="folded",
            field=models.GeneratedField(
                db_persist=True,
                expression=models.Func(models.F("name"), function="fold"),
                output_field=models.TextField(),
            ),
        ),
        migrations.AddField(
            model_name="project",
            name="folded",
            field=models.GeneratedField(
                db_persist=True,
                expression=models.Func(models.F("name"), function="fold"),
                output_field=models.TextField(),
            ),
        ),
        migrations.AlterField(
            model_name="document",
            name="project",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="documents",
                to="projects.project",
            ),
        ),
        migrations.AlterField(
            model_name="project",
            name="workspace",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="projects",
                to="workspaces.workspace",
            ),
        ),
        migrations.AddIndex(
            model_name="document",
            index=models.Index(fields=["project", "created_at", "id"], name="document_by_time"),
        ),
        migrations.AddIndex(
            model_name="document",
            index=models.Index(fields=["project", "folded", "id"], name="document_by_name"),
        ),
        migrations.AddIndex(
            model_name="project",
            index=models.Index(fields=["workspace", "created_at", "id"], name="project_by_time"),
        ),
        migrations.AddIndex(
            model_name="project",
            index=models.Index(fields=["workspace", "folded", "id"], name="project_by_name"),
        ),
    ]
