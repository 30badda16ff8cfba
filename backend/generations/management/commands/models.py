"""`manage.py models …`: which version of a model jobs are run by, and what Triton holds of them, for operators."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from backend.core.errors import AppError
from backend.generations import rollouts
from backend.generations.rollouts import Versions
from inference import client
from inference.errors import TritonUnavailable
from inference.models import Model
from inference.registry import MODELS, model_named

TIMEOUT_S = 30.0


class Command(BaseCommand):
    help = "List the models, load and unload them, try a version, take it for all jobs, or go back. No job is lost."

    def add_arguments(self, parser: ArgumentParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True)
        acts.add_parser("list", help="each version: who uses it, and whether Triton has it loaded")
        for act, said in {"load": "now, and not when a job needs it", "unload": "until a job needs it"}.items():
            one = acts.add_parser(act, help=said)
            one.add_argument("name")
            one.add_argument("version", type=int, nargs="?", help="by default the stable one")
        tried = acts.add_parser("try", help="let some jobs go to a version; where it fails the stable one does them")
        tried.add_argument("name")
        tried.add_argument("version", type=int)
        tried.add_argument("--percent", type=int, choices=range(1, 101), metavar="1-100", default=10)
        acts.add_parser("promote", help="all jobs go to the version that is being tried").add_argument("name")
        acts.add_parser("rollback", help="end the trial, or go back to the version before").add_argument("name")

    def handle(self, *args: Any, act: str, **options: Any) -> None:
        try:
            getattr(self, f"_{act}")(**options)
        except AppError as exc:
            raise CommandError(exc.detail) from exc

    def _list(self, **_: Any) -> None:
        try:
            loaded = client.describe(timeout_s=2.0).loaded
        except TritonUnavailable:
            loaded = None
            self.stderr.write("Triton is away: what is loaded can't be told.")
        self.stdout.write(f"{'model':16} {'version':>7}  {'jobs':14} {'loaded':7} {'memory':>8}  licence")
        for versions in rollouts.all_versions().values():
            for model in MODELS[versions.stable.name].values():
                there = "?" if loaded is None else ("yes" if model.served in loaded else "no")
                self.stdout.write(
                    f"{model.name:16} {model.version:>7}  {_jobs(model, versions):14} {there:7} "
                    f"{model.memory_mb:>5} MB  {model.licence}"
                )

    def _load(self, *, name: str, version: int | None, **_: Any) -> None:
        client.load(_version(name, version), timeout_s=rollouts.LOAD_S)

    def _unload(self, *, name: str, version: int | None, **_: Any) -> None:
        client.unload(_version(name, version), timeout_s=TIMEOUT_S)

    def _try(self, *, name: str, version: int, percent: int, **_: Any) -> None:
        self._say(rollouts.try_out(name, version, percent=percent))

    def _promote(self, *, name: str, **_: Any) -> None:
        self._say(rollouts.promote(name))

    def _rollback(self, *, name: str, **_: Any) -> None:
        self._say(rollouts.roll_back(name))

    def _say(self, versions: Versions) -> None:
        there = MODELS[versions.stable.name].values()
        shares = {model.version: _jobs(model, versions) for model in there}
        self.stdout.write(
            f"{versions.stable.name}: " + ", ".join(f"version {version}: {jobs}" for version, jobs in shares.items())
        )


def _version(name: str, version: int | None) -> Model:
    return model_named(name, version) if version else rollouts.versions_of(model_named(name).name).stable


def _jobs(model: Model, versions: Versions) -> str:
    if model == versions.previous and not versions.share(model):
        return "before"
    said = f"{versions.share(model)} %"
    return f"{said} (tried)" if model == versions.tried else said
