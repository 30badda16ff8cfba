"""What each process of ours does once when it has loaded: operators can see into it, the collector rests, and threads
give way to each other soon.
"""

import gc
import sys

from django.conf import settings
from django.db import connections

from backend.core import metrics, spans

_SWITCH_S = 0.001
_POOLED = ("default", "system")


def begin(service: str) -> None:
    """Call when all is loaded. Send traces, if there is an endpoint; show metrics on METRICS_PORT, if there is one and
    HTTP is not ours."""
    spans.export_as(service)
    metrics.follow("pool", _look_at_pools, metrics.POOL_CONNECTIONS, metrics.POOL_WAITING)
    if settings.METRICS_PORT and service != "web":
        metrics.serve(settings.METRICS_HOST, settings.METRICS_PORT)
    # Who waits for a statement's answer fifteen times would else wait, each time, until a thread that computes has had
    # its five milliseconds.
    sys.setswitchinterval(_SWITCH_S)
    # The modules stay for good: to walk through them in each full collection held all requests up for 100 ms.
    gc.collect()
    gc.freeze()


def _look_at_pools() -> None:
    for alias in _POOLED:
        # Not `connection.pool`, which opens one: a process that never asked for it has none.
        pool = type(connections[alias])._connection_pools.get(alias)  # type: ignore[attr-defined]  # Django's own
        stats = pool.get_stats() if pool else {}
        size, idle = stats.get("pool_size", 0), stats.get("pool_available", 0)
        metrics.POOL_CONNECTIONS.labels(alias, "idle").set(idle)
        metrics.POOL_CONNECTIONS.labels(alias, "open").set(size)
        metrics.POOL_WAITING.labels(alias).set(stats.get("requests_waiting", 0))
