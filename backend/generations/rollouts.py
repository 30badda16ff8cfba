"""Says which version of a model a job is run by, and lets operators try a new one, take it for all, or go back.

A version that is tried gets a share of the jobs, always the same ones; where it fails at one, the stable version does
it instead, so nobody pays for the trial, and where it fails at several in a row, the trial ends. A change holds for
jobs that begin after it, within a second, on every worker.
"""

import hashlib
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

import psycopg
import structlog
from django.conf import settings
from django.db import DatabaseError
from psycopg_pool import PoolTimeout

from backend.core import tenancy
from backend.generations.chains import Chain
from backend.generations.errors import NothingToRollBack, NotTried
from backend.generations.models import Rollout
from inference import client
from inference.models import Model
from inference.registry import MODELS, model_named

log = structlog.get_logger()
KNOWN_S = 1.0  # how old a process's knowledge may be
LOAD_S = 300.0
_AWAY = (DatabaseError, psycopg.Error, PoolTimeout)
_lock = threading.Lock()
_known: dict[str, "Versions"] = {}
_until = 0.0


@dataclass(frozen=True, slots=True)
class Versions:
    """What jobs of a model are run by: `tried` by so many of a hundred, `stable` by the others."""

    stable: Model
    tried: Model | None = None
    percent: int = 0
    previous: Model | None = None
    failures: int = 0  # of the one that is tried, in a row

    def share(self, model: Model) -> int:
        """Of a hundred jobs, so many are run by it."""
        if model == self.stable:
            return 100 - self.percent if self.tried else 100
        return self.percent if model == self.tried else 0

    def of(self, job_id: uuid.UUID, *, asked: int | None = None) -> Model:
        """The same for a job whenever it is asked, and the more jobs the higher the share. The one that was asked for,
        where this release still has it.
        """
        if asked is not None and asked in MODELS[self.stable.name]:
            return MODELS[self.stable.name][asked]
        if self.tried is not None and _place(job_id) < self.percent:
            return self.tried
        return self.stable


def versions_of(name: str) -> Versions:
    """As operators said last. What they said of a version that this release no longer has counts for nothing."""
    global _until  # one for the process, as the table is one for all
    with _lock:
        if time.monotonic() >= _until:
            try:
                said = _read()
                _known.clear()  # also of what is said no longer
                _known.update(said)
            except _AWAY as exc:  # what was known holds on
                log.warning("rollouts.database_away", error=type(exc).__name__)
            _until = time.monotonic() + KNOWN_S
        return _known.get(name) or Versions(model_named(name))


def models_of(chain: Chain, job_id: uuid.UUID) -> list[Model]:
    """What each step of a job is run by."""
    return [versions_of(step.task.model).of(job_id, asked=step.version) for step in chain]


def all_versions() -> dict[str, Versions]:
    """Of every model, as it is now."""
    return {name: Versions(model_named(name)) for name in MODELS} | _read()


def try_out(name: str, version: int, *, percent: int) -> Versions:
    """Let so many of a hundred jobs go to `version`, which is loaded first: where that fails nothing has changed.

    Raises: UnknownModel, InferenceFailed, TritonUnavailable.
    """
    tried = model_named(name, version)
    client.load(tried, timeout_s=LOAD_S)
    return _write(name, lambda row: _set(row, canary=version, canary_percent=percent, failures=0))


def promote(name: str) -> Versions:
    """All jobs go to the version that was tried. Raises: NotTried."""

    def change(row: Rollout) -> None:
        if row.canary is None:
            raise NotTried(f"No version of {name} is being tried. Begin with `try`.")
        _set(row, previous=row.version, version=row.canary, canary=None, canary_percent=0)

    return _write(name, change)


def roll_back(name: str) -> Versions:
    """End the trial; where there is none, go back to the version before the last promotion.

    Raises: NothingToRollBack.
    """

    def change(row: Rollout) -> None:
        if row.canary is not None:
            _set(row, canary=None, canary_percent=0)
        elif row.previous is not None:
            _set(row, version=row.previous, previous=None)
        else:
            raise NothingToRollBack(f"{name} has not been promoted, and no version of it is being tried.")

    return _write(name, change)


def failed(tried: Model) -> None:
    """Count it; at the TRIAL_MAX_FAILURES-th in a row all jobs go to the stable version again."""

    def change(row: Rollout) -> None:
        if row.canary != tried.version:
            return  # the trial is over
        _set(row, failures=row.failures + 1)
        if row.failures >= settings.TRIAL_MAX_FAILURES:
            log.error("rollouts.trial_ended", model=tried.served, failures=row.failures)
            _set(row, canary=None, canary_percent=0, failures=0)

    _write_if_there(tried, change)


def succeeded(versions: Versions, made_by: Model) -> None:
    """The failures before it count no more."""
    if versions.failures and made_by == versions.tried:
        _write_if_there(made_by, lambda row: _set(row, failures=0))


def _write_if_there(tried: Model, change: Callable[[Rollout], None]) -> None:
    try:
        _write(tried.name, change)
    except _AWAY as exc:  # a job goes on for all that
        log.warning("rollouts.not_counted", model=tried.served, error=type(exc).__name__)


def _place(job_id: uuid.UUID) -> int:
    """0 to 99, evenly: a job's id itself holds the time that it was made at."""
    return int.from_bytes(hashlib.blake2b(job_id.bytes, digest_size=4).digest()) % 100


def _set(row: Rollout, **fields: int | None) -> None:
    for name, value in fields.items():
        setattr(row, name, value)


def _write(name: str, change: Callable[[Rollout], None]) -> Versions:
    with tenancy.acting(using="system"):
        rows = Rollout.objects.using("system")
        row, _made = rows.select_for_update().get_or_create(model=name, defaults={"version": model_named(name).version})
        change(row)
        row.save(using="system")
    return _versions(row)


def _read() -> dict[str, Versions]:
    with tenancy.acting(using="system"):
        return {row.model: _versions(row) for row in Rollout.objects.using("system") if row.model in MODELS}


def _versions(row: Rollout) -> Versions:
    there = MODELS[row.model]
    return Versions(
        stable=there.get(row.version) or model_named(row.model),
        tried=there.get(row.canary) if row.canary else None,
        percent=row.canary_percent,
        previous=there.get(row.previous) if row.previous else None,
        failures=row.failures,
    )
