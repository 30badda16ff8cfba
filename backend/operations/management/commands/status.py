"""`manage.py status`: how busy the studio is, once or again and again."""

import json
import logging
import signal
import sys
import threading
from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand

from backend.operations import picture
from backend.operations.picture import Picture

CLEAR = "\x1b[2J\x1b[H"
UNSEEN = "?"


class Command(BaseCommand):
    help = "Show what answers, what waits and what is open. Exit code 1 when a part does not answer."
    requires_system_checks = ()  # they ask the database, which may be what is away

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON document (with --watch one a line)")
        parser.add_argument(
            "--watch", type=float, nargs="?", const=2.0, metavar="SECONDS", help="again and again until Ctrl-C"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        logging.disable(logging.ERROR)  # what is away is said once, and by us
        if options["watch"] is None:
            sys.exit(0 if self._show(as_json=options["json"], before="") else 1)
        # Not KeyboardInterrupt: raised inside a finalizer it is ignored, and the watching would go on.
        told = threading.Event()
        signal.signal(signal.SIGINT, lambda *_: told.set())
        self._show(as_json=options["json"], before=CLEAR)
        while not told.wait(options["watch"]):
            self._show(as_json=options["json"], before=CLEAR)

    def _show(self, *, as_json: bool, before: str) -> bool:
        """Whether every part answered."""
        now = picture.take()
        self.stdout.write(json.dumps(asdict(now)) if as_json else before + "\n".join(_lines(now)))
        self.stdout.flush()
        return now.is_whole


def _lines(now: Picture) -> Iterator[str]:
    for part in now.parts:
        said = f"{part.latency_ms:.1f} ms" if part.latency_ms is not None else f"away: {part.error}"
        yield f"{part.name:<10}{said}"
    leads = now.leads or {}
    for name in ("relay", "learner"):
        yield f"{name:<10}{ {True: 'leads', False: 'nobody leads', None: UNSEEN}[leads.get(name)] }"
    yield f"{'workers':<10}{UNSEEN if now.workers is None else ', '.join(now.workers) or 'none'}"
    yield ""
    yield f"{'queue':<10}{_shown(now.queue_messages)} messages"
    behind = f", the oldest {now.outbox.oldest_s:.1f} s" if now.outbox and now.outbox.events else ""
    yield f"{'outbox':<10}{_shown(now.outbox.events if now.outbox else None)} events to publish{behind}"
    yield f"{'learner':<10}{_shown(now.learner_lag_s)} s behind"
    yield f"{'jobs':<10}{_counts(now.jobs)}"
    yield f"{'open':<10}{_counts(now.web)}"
    if now.processes is not None:
        yield ""
        yield f"{'process':<10}{'pid':>8}{'PSS MB':>9}  port"
        for one in now.processes:
            yield f"{one.name:<10}{one.pid:>8}{one.memory_mb:>9.1f}  {one.port or ''}"
        yield f"{'all':<10}{'':>8}{sum(one.memory_mb for one in now.processes):>9.1f}"


def _shown(value: float | None) -> str:
    return UNSEEN if value is None else f"{value:g}"


def _counts(counts: dict[str, int] | None) -> str:
    if counts is None:
        return UNSEEN
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items())
