"""What the Celery workers run for AI jobs. The database says what is to do; a message only wakes a worker."""

from typing import Any

from celery import shared_task
from celery.signals import worker_init, worker_shutting_down

from backend.core import metrics
from backend.generations import intermediates, queries, running, sweeper
from backend.generations.states import State


@shared_task(name="generations.run_next", ignore_result=True)
def run_next() -> None:
    running.run_all()


@shared_task(name="generations.sweep", ignore_result=True)
def sweep() -> None:
    sweeper.sweep()


@shared_task(name="generations.sweep_pictures", ignore_result=True)
def sweep_pictures() -> None:
    intermediates.sweep()


@worker_shutting_down.connect
def _drain(**_: Any) -> None:
    running.stop_claiming()


@worker_init.connect
def _show_jobs(**_: Any) -> None:
    metrics.follow("jobs", _count_jobs, metrics.JOBS)


def _count_jobs() -> None:
    for state, count in queries.counted(State.QUEUED, State.RUNNING).items():
        metrics.JOBS.labels(state).set(count)
