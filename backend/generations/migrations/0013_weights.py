"""How much each flow weighs."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("generations", "0012_again")]

    operations = [migrations.AddField("flowclock", "weight", models.FloatField(default=1.0, db_default=1.0))]
