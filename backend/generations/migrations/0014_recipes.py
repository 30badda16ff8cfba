"""Recipes, what lies between their steps, and a charge for each step of a job."""

import django.db.models.deletion
import django.db.models.functions
from django.conf import settings
from django.db import migrations, models

PROTECT = (
    "CALL protect_tenant_table('generations_recipe')",
    "CALL protect_tenant_table('generations_recipeversion')",
    "CALL protect_tenant_table('generations_intermediate')",
    # Whose there are, for the sweeper.
    "GRANT SELECT (workspace_id) ON generations_intermediate TO atelier_system",
)


class Migration(migrations.Migration):
    dependencies = [
        ("generations", "0013_weights"),
        ("assets", "0004_steps"),
        ("projects", "0005_access_changes"),
        ("workspaces", "0006_access_changes"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Intermediate",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("content", models.CharField(max_length=64)),
                ("input_sha256", models.CharField(max_length=64)),
                ("made", models.JSONField()),
                ("size_bytes", models.BigIntegerField()),
                ("used_at", models.DateTimeField(db_default=django.db.models.functions.Now())),
            ],
        ),
        migrations.CreateModel(
            name="Recipe",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("name", models.TextField()),
                (
                    "folded",
                    models.GeneratedField(
                        db_persist=True,
                        expression=models.Func(models.F("name"), function="fold"),
                        output_field=models.TextField(),
                    ),
                ),
                ("steps", models.JSONField()),
                ("version", models.IntegerField(default=1)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.Now())),
            ],
        ),
        migrations.CreateModel(
            name="RecipeVersion",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("version", models.IntegerField()),
                ("name", models.TextField()),
                ("steps", models.JSONField()),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.Now())),
            ],
        ),
        migrations.AddField(
            model_name="batch",
            name="recipe",
            field=models.JSONField(null=True),
        ),
        migrations.AddField(
            model_name="charge",
            name="step",
            field=models.SmallIntegerField(db_default=1, default=1),
        ),
        migrations.AddField(
            model_name="job",
            name="progress_preview",
            field=models.IntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="job",
            name="progress_step",
            field=models.SmallIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="job",
            name="recipe",
            field=models.JSONField(null=True),
        ),
        migrations.AlterField(
            model_name="charge",
            name="job",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="generations.job"
            ),
        ),
        migrations.AddConstraint(
            model_name="charge",
            constraint=models.UniqueConstraint(fields=("job", "step"), name="charge_once"),
        ),
        migrations.AddField(
            model_name="intermediate",
            name="workspace",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="workspaces.workspace"
            ),
        ),
        migrations.AddField(
            model_name="recipe",
            name="created_by",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="recipe",
            name="workspace",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="workspaces.workspace"
            ),
        ),
        migrations.AddField(
            model_name="recipeversion",
            name="created_by",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="recipeversion",
            name="recipe",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="versions",
                to="generations.recipe",
            ),
        ),
        migrations.AddField(
            model_name="recipeversion",
            name="workspace",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="+", to="workspaces.workspace"
            ),
        ),
        migrations.AddIndex(
            model_name="intermediate",
            index=models.Index(fields=["workspace", "used_at"], include=("size_bytes",), name="intermediate_by_use"),
        ),
        migrations.AddConstraint(
            model_name="intermediate",
            constraint=models.UniqueConstraint(fields=("workspace", "content"), name="intermediate_once"),
        ),
        migrations.AddIndex(
            model_name="recipe",
            index=models.Index(fields=["workspace", "created_at", "id"], include=("folded",), name="recipe_by_time"),
        ),
        migrations.AddIndex(
            model_name="recipe",
            index=models.Index(fields=["workspace", "folded", "id"], name="recipe_by_name"),
        ),
        migrations.AddIndex(
            model_name="recipeversion",
            index=models.Index(fields=["recipe", "created_at", "id"], name="recipe_version_by_time"),
        ),
        migrations.AddConstraint(
            model_name="recipeversion",
            constraint=models.UniqueConstraint(fields=("recipe", "version"), name="recipe_version_once"),
        ),
        *(migrations.RunSQL(protect, migrations.RunSQL.noop) for protect in PROTECT),
    ]
