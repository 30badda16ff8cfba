"""How often a version failed in a row that is being tried."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("generations", "0014_recipes")]

    operations = [migrations.AddField("rollout", "failures", models.IntegerField(db_default=0, default=0))]
