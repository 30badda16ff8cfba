"""`manage.py jobs …`: all AI jobs that wait or run, ending some, and letting none begin, for operators."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from backend.core import ids
from backend.core.errors import AppError
from backend.generations import upkeep
from backend.generations.upkeep import Work


class Command(BaseCommand):
    help = "List the jobs that run and wait, kill some, or let none begin: before an upgrade drain, after it resume."

    def add_arguments(self, parser: ArgumentParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True)
        acts.add_parser("list", help="those that run, then those that wait").add_argument(
            "--limit", type=int, default=50
        )
        acts.add_parser("kill", help="end jobs, whosever they are").add_argument("jobs", nargs="+", metavar="job_…")
        drain = acts.add_parser("drain", help="let no job begin, and wait until those that run have ended")
        drain.add_argument("--timeout", type=float, default=600.0, metavar="SECONDS")
        weigh = acts.add_parser("weigh", help="how many parts of the compute a workspace gets: 1 where nothing is said")
        weigh.add_argument("workspace", metavar="wsp_…")
        weigh.add_argument("weight", type=float)
        acts.add_parser("resume", help="let jobs begin again")

    def handle(self, *args: Any, act: str, **options: Any) -> None:
        try:
            getattr(self, f"_{act}")(**options)
        except AppError as exc:
            raise CommandError(exc.detail) from exc

    def _list(self, *, limit: int, **_: Any) -> None:
        since = upkeep.paused_since()
        if since is not None:
            self.stdout.write(f"No job begins since {since:%Y-%m-%d %H:%M} UTC: `manage.py jobs resume` lets them.")
        ids_of = f"{'job':30} {'workspace':30} {'person':30}"
        self.stdout.write(f"{ids_of} {'task':10} {'lane':11} {'state':8} {'for':>8}  tiles")
        for one in upkeep.work(limit=limit):
            self.stdout.write(_line(one))

    def _kill(self, *, jobs: list[str], **_: Any) -> None:
        failed = 0
        for shown in jobs:
            try:
                upkeep.kill(ids.parse("job", shown))
                self.stdout.write(f"{shown}: ended")
            except AppError as exc:
                failed += 1
                self.stderr.write(f"{shown}: {exc.detail}")
        if failed:
            raise CommandError(f"{failed} of {len(jobs)} were not ended.")

    def _drain(self, *, timeout: float, **_: Any) -> None:
        shown = None
        try:
            for left in upkeep.drain(timeout_s=timeout):
                if left != shown:
                    self.stdout.write(f"{left} jobs run" if left else "None runs, and none begins until `resume`.")
                shown = left
        except TimeoutError as exc:
            raise CommandError(f"{shown} jobs still run. No other begins; wait again, kill them, or resume.") from exc

    def _weigh(self, *, workspace: str, weight: float, **_: Any) -> None:
        upkeep.weigh(ids.parse("wsp", workspace), weight)
        for workspace_id, parts in upkeep.weights().items():
            self.stdout.write(f"{ids.show('wsp', workspace_id)} {parts:g}")

    def _resume(self, **_: Any) -> None:
        upkeep.resume()
        self.stdout.write("Jobs begin again.")


def _line(one: Work) -> str:
    people = f"{ids.show('job', one.job_id)} {ids.show('wsp', one.workspace_id)} {ids.show('per', one.person_id)}"
    tiles = f"{one.done}/{one.total}" if one.total else ""
    return f"{people} {one.task:10} {one.lane:11} {one.state:8} {one.for_s:>6.0f} s  {tiles}"
