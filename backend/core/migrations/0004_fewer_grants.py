"""Requests and tasks record what happened and never change it, and leave Django's own tables to the migrations."""

from django.db import migrations

FEWER = """
REVOKE UPDATE, DELETE ON core_event FROM atelier_app;
REVOKE DELETE ON core_sequence FROM atelier_app;
REVOKE INSERT, UPDATE, DELETE
    ON auth_group, auth_group_permissions, auth_permission, django_content_type, django_migrations FROM atelier_app;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("core", "0003_folding"),
    ]

    operations = [migrations.RunSQL(FEWER, migrations.RunSQL.noop)]
