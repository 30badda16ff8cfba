"""What the Celery workers run for people."""

from celery import shared_task
from django.db import connection

from backend.workspaces.session_store import SessionStore


@shared_task(name="workspaces.sweep", ignore_result=True)
def sweep() -> None:
    SessionStore.clear_expired()
    with connection.cursor() as cursor:
        cursor.execute("SELECT app_drop_old_access_changes()")
