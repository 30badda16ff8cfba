"""Jobs keep no Idempotency-Key of their own any more: the answer to any POST is kept in core_answer."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("generations", "0001_jobs"), ("core", "0002_answers")]
    operations = [
        migrations.RemoveConstraint("job", "job_idempotency"),
        migrations.RemoveField("job", "idempotency_key"),
        migrations.RemoveField("job", "request_digest"),
    ]
