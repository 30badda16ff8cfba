"""A document that is deleted, restored or moved is looked at again by who has it open."""

from typing import ClassVar

from django.db import migrations

ADD = """
CREATE TRIGGER note_access_change AFTER UPDATE OR DELETE ON projects_document FOR EACH ROW
    EXECUTE FUNCTION app_note_access_change('', '', 'id', 'epoch', 'workspace_id', 'project_id');
"""


class Migration(migrations.Migration):
    dependencies: ClassVar = [("projects", "0004_ticket_origin"), ("workspaces", "0006_access_changes")]
    operations: ClassVar = [migrations.RunSQL(ADD, "DROP TRIGGER note_access_change ON projects_document")]
