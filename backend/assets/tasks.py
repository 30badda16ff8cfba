"""What the Celery workers run for assets."""

from celery import shared_task

from backend.assets import services


@shared_task(name="assets.sweep", ignore_result=True)
def sweep() -> None:
    services.sweep_uploads()
