"""What each process of ours does once when it starts, so that operators can see into it."""

from django.conf import settings

from backend.core import metrics


def begin() -> None:
    """Show this process's metrics on METRICS_PORT, if it has one. For processes that have no HTTP of their own."""
    if settings.METRICS_PORT:
        metrics.serve(settings.METRICS_HOST, settings.METRICS_PORT)
