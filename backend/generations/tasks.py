"""What the Celery workers run for AI jobs. The database says what is to do; a message only wakes a worker."""

from celery import shared_task

from backend.generations import running, sweeper


@shared_task(name="generations.run_next", ignore_result=True)
def run_next() -> None:
    running.run_next()


@shared_task(name="generations.sweep", ignore_result=True)
def sweep() -> None:
    sweeper.sweep()
