"""Orders and search of the lists of assets."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("core", "0003_folding"),
        ("assets", "0002_versions"),
        ("projects", "0003_lists"),
        ("workspaces", "0001_people"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="asset",
            name="asset_project_newest",
        ),
        migrations.AddField(
            model_name="asset",
            name="folded",
            field=models.GeneratedField(
                db_persist=True,
                expression=models.Func(models.F("name"), function="fold"),
                output_field=models.TextField(),
            ),
        ),
        migrations.AlterField(
            model_name="asset",
            name="project",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="assets",
                to="projects.project",
            ),
        ),
        migrations.AlterField(
            model_name="asset",
            name="workspace",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="workspaces.workspace"
            ),
        ),
        migrations.AddIndex(
            model_name="asset",
            index=models.Index(
                fields=["project", "created_at", "id"], include=("workspace", "folded"), name="asset_by_time"
            ),
        ),
        migrations.AddIndex(
            model_name="asset",
            index=models.Index(fields=["project", "folded", "id"], include=("workspace",), name="asset_by_name"),
        ),
        migrations.AddIndex(
            model_name="asset",
            index=models.Index(
                fields=["project", "size_bytes", "id"], include=("workspace", "folded"), name="asset_by_size"
            ),
        ),
        migrations.AddIndex(
            model_name="asset",
            index=models.Index(fields=["workspace", "created_at", "id"], include=("folded",), name="asset_all_by_time"),
        ),
        migrations.AddIndex(
            model_name="asset",
            index=models.Index(fields=["workspace", "folded", "id"], name="asset_all_by_name"),
        ),
        migrations.AddIndex(
            model_name="asset",
            index=models.Index(fields=["workspace", "size_bytes", "id"], include=("folded",), name="asset_all_by_size"),
        ),
    ]
