"""Runs one claimed job from its input's bytes to its published result, and says how each way to fail ends it.

What is written before the last transaction is objects named by their content; that transaction is fenced by the
lease's attempt and holds all that the job has for effect: the asset, its lineage, the charge, the event, the edit of
the board.
"""

import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import PurePosixPath
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError, connections, transaction
from psycopg_pool import PoolTimeout

from backend.assets import content, pictures, results
from backend.assets import queries as assets
from backend.assets.content import ContentVanished
from backend.assets.models import Asset
from backend.assets.queries import AssetRef
from backend.assets.results import Provenance, Result
from backend.core import ids, live, metrics, rows, statements, storage, tenancy, trace
from backend.core.errors import AppError, PartUnavailable
from backend.generations import board, budgets, chains, claiming, making, services
from backend.generations.claiming import Claim, Lease
from backend.generations.comparing import compared
from backend.generations.errors import InputGone
from backend.generations.making import Made
from backend.generations.models import Charge, Job
from backend.generations.queries import present
from backend.generations.states import ENDED, State, Step
from backend.projects.queries import access_document
from backend.workspaces.rights import Act
from collab import edits
from inference.errors import InferenceCancelled, InferenceTimeout
from inference.registry import TASKS

log = structlog.get_logger()
_DATABASE_AWAY = (OperationalError, InterfaceError, PoolTimeout)
_PASSING = (PartUnavailable, InferenceTimeout, ContentVanished)
PATIENCE_S = 30.0  # longer than PostgreSQL or S3 takes to start again
_STAGE = """
UPDATE generations_job
SET staged = CASE WHEN staged ? %(sha256)s THEN staged ELSE staged || to_jsonb(%(sha256)s::text) END
WHERE id = %(job)s AND attempt = %(attempt)s AND state = %(state)s
RETURNING set_config('synchronous_commit', 'off', true)
"""
T = TypeVar("T")


class LeaseLost(Exception):
    """The job was cancelled, or another worker has it: nothing of this attempt may have an effect."""


_draining = threading.Event()


def run_all() -> None:
    """Claim the fairest job and run it to its end, until none may start here or the worker is told to stop."""
    while not _draining.is_set() and (claim := claiming.keeper.claim()) is not None:
        run(claim)


def stop_claiming() -> None:
    """What runs goes on to its end."""
    _draining.set()


def run(claim: Claim) -> None:
    """Run a claimed job to its end, whatever that is. Raises only our own mistakes, after the job failed of them."""
    act = trace.continued(claim.traceparent, "job.run", kind="consumer", task=claim.task, attempt=claim.attempt)
    with act, claiming.keeper.holding(claim) as lease:
        log.info("job.claimed", job_id=ids.show("job", claim.job_id), attempt=claim.attempt)
        began = time.perf_counter()
        outcome = "failed"
        try:
            _make(claim, lease)
            outcome = "succeeded"
        except (LeaseLost, InferenceCancelled):
            outcome = "let_go"
            _let_go(lease)
        except _PASSING as exc:
            outcome, error, over = "put_back", _shown(exc), isinstance(exc, InferenceTimeout)
            _end(lease, lambda job: _put_back(job, error, time_is_over=over))
        except AppError as exc:
            error = _shown(exc)
            _end(lease, lambda job: services.fail(job, error))
        except _DATABASE_AWAY:
            # Nothing can be written now. The lease runs out, and the sweeper queues the job again.
            outcome = "database_away"
            log.exception("job.database_away", job_id=ids.show("job", claim.job_id))
        except Exception:
            log.exception("job.broke", job_id=ids.show("job", claim.job_id))
            broken = {"code": "internal", "detail": "This is our fault, and it is logged."}
            _end(lease, lambda job: services.fail(job, broken))
            raise
        finally:
            metrics.JOB_DURATION.labels(claim.task, outcome).observe(time.perf_counter() - began)
            trace.note(outcome=outcome)


def _put_back(job: Job, error: dict[str, str], *, time_is_over: bool) -> None:
    if time_is_over and job.run_timeout_s:
        services.fail(job, error)  # that long and no longer, the asker said
    else:
        services.put_back(job, error, lost=False)


def _shown(exc: BaseException) -> dict[str, str]:
    if isinstance(exc, AppError):
        return {"code": exc.code, "detail": exc.detail}
    return {"code": "part_unavailable", "detail": "The storage of files did not keep the result."}


def _make(claim: Claim, lease: Lease) -> None:
    job, source = _load(claim)
    with trace.span("job.read"):
        pixels, alpha = _patiently(lease, lambda: _read(source))
    with trace.span("job.infer"):
        made = making.make(job, lease, source, pixels)
    with trace.span("job.encode"):
        result = results.encode(made.picture, alpha)
    with trace.span("job.publish"):
        if (first := job.again_of) is None:
            _patiently(lease, lambda: _keep(lease, source, result, made))
        else:
            models = [(step.model_digest, step.dtype) for step in made.steps]
            comparison = _patiently(lease, lambda: compared(job.workspace_id, first, result, models))
            _patiently(lease, lambda: _publish_comparison(lease, comparison, made))
    log.info("job.succeeded", job_id=ids.show("job", job.id), compute_us=made.compute_us)


def _load(claim: Claim) -> tuple[Job, AssetRef]:
    with tenancy.acting(workspace_id=claim.workspace_id):
        job = rows.by_id(Job, claim.job_id)
        if job is None:
            raise LeaseLost
        budgets.check_left(job.workspace_id, job.person_id)
        asset = rows.by_id(Asset, job.input_asset_id) if job.input_asset_id else None
        source = assets.ref(asset) if asset else None
        live.publish(ids.show("prj", job.project_id), "job", present(job))
    if source is None:
        raise InputGone("The asset that the job was to work on is no longer there.")
    return job, source


def _patiently(lease: Lease, work: Callable[[], T]) -> T:
    """Do `work`, again and again through the restart of a part, for what was computed is dear."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return work()
        except (*_DATABASE_AWAY, PartUnavailable, ContentVanished) as exc:
            if lease.lost.is_set() or time.monotonic() > deadline:
                raise
            log.warning("job.part_away", job_id=ids.show("job", lease.claim.job_id), error=type(exc).__name__)
            connections.close_all()
            lease.lost.wait(0.5)


def _keep(lease: Lease, source: AssetRef, result: Result, made: Made) -> None:
    """Write and publish. Safe to repeat, also after a commit whose answer got lost: the fence then says LeaseLost.

    A small result is written beside its rows; where that failed once, before them, so that nobody waits for the locks.
    """
    written_before = not result.is_small or lease.wrote is not None
    _stage(lease, result)
    if written_before:
        results.write(lease.claim.workspace_id, result)
    _publish(lease, source, result, made, is_written=written_before)


def _read(source: AssetRef) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8] | None]:
    with storage.scratch() as path:
        try:
            storage.download(source.key, path, max_bytes=settings.MAX_RESULT_BYTES)
        except storage.ObjectMissing as exc:
            raise InputGone("The bytes of the job's input are no longer there.") from exc
        return pictures.read_pixels(path, max_pixels=settings.MAX_PICTURE_PIXELS)


@contextmanager
def _fenced(claim: Claim) -> Iterator[Job]:
    """A transaction of the tenant with the job locked and still ours. Raises LeaseLost."""
    with tenancy.acting(person_id=claim.person_id, workspace_id=claim.workspace_id):
        job = rows.by_id(Job, claim.job_id, lock=True)
        if job is None or job.state != State.RUNNING or job.attempt != claim.attempt:
            raise LeaseLost
        yield job


def _stage(lease: Lease, result: Result) -> None:
    """Note what is about to be written, so that it can be deleted whatever happens.

    Not waiting for PostgreSQL's disk: only where it and this worker die in the same moment the note is lost, and then
    the job is run again, and makes the same.
    """
    lease.wrote, claim = result.sha256, lease.claim
    values: dict[str, Any] = {
        "sha256": result.sha256,
        "job": claim.job_id,
        "attempt": claim.attempt,
        "state": State.RUNNING,
    }
    with closing(connections["system"]), statements.cursor("system") as cursor:  # as the heartbeats are: one statement
        cursor.execute(_STAGE, values)
        if cursor.fetchone() is None:
            raise LeaseLost


def _publish(lease: Lease, source: AssetRef, result: Result, made: Made, *, is_written: bool) -> None:
    with _fenced(lease.claim) as job:
        suffix = pictures.EXTENSIONS[result.whole.media_type]
        title = job.recipe["name"] if job.recipe else TASKS[job.task].title
        kept = results.kept(
            result,
            _provenance(job, source, made),
            is_written=is_written,
            workspace_id=job.workspace_id,
            project_id=job.project_id,
            name=f"{PurePosixPath(source.name).stem} · {title}{suffix}",
            by=job.person_id,
        )
        with kept as asset:
            _succeed(
                lease,
                job,
                made,
                at=asset.created_at,
                output_asset=asset,
                edit_id=_place(job, asset, source.id, made.last.model),
                staged=[sha256 for sha256 in job.staged if sha256 != result.sha256],
            )
            services.tell(job, "job.succeeded", asset_id=asset.id, parent_id=ids.show("ast", source.id))


def _publish_comparison(lease: Lease, comparison: dict[str, Any], made: Made) -> None:
    with _fenced(lease.claim) as job:
        _succeed(lease, job, made, comparison=comparison)
        services.tell(job, "job.compared", asset_id=job.input_asset_id)


def _succeed(lease: Lease, job: Job, made: Made, **fields: Any) -> None:
    _charge(lease.claim, job, made.used_us)
    units = max(1, lease.total)
    services.advance(
        job,
        Step.SUCCEED,
        compute_us=made.compute_us,
        progress_done=units,
        progress_total=units,
        progress_step=len(made.steps),
        **fields,
    )


def _provenance(job: Job, source: AssetRef, made: Made) -> Provenance:
    return Provenance(
        parent_id=source.id,
        job_id=job.id,
        task=job.task,
        task_version=job.task_version,
        model=made.last.model,
        model_version=made.last.model_version,
        model_digest=made.last.model_digest,
        dtype=made.last.dtype,
        parameters=job.parameters,
        compute_us=made.compute_us,
        steps=[asdict(step) for step in made.steps] if job.recipe else None,
    )


def _charge(claim: Claim, job: Job, used_us: Mapping[int, int]) -> None:
    """Each step once for each job, and the database sees to it."""
    chain = chains.of_job(job)
    for step, compute_us in used_us.items():
        rows.add(
            Charge(
                id=ids.new_id(),
                workspace_id=job.workspace_id,
                project_id=job.project_id,
                person_id=job.person_id,
                job=job,
                step=step,
                task=chain[step - 1].task.name,
                model=chain[step - 1].task.model,
                compute_us=compute_us,
            )
        )
    claiming.settle(claim, sum(used_us.values()))
    budgets.tell_if_low(job.workspace_id, job.person_id)


def _place(job: Job, asset: Asset, parent_id: uuid.UUID, model: str) -> Any:
    """Put the result beside its original. None where board, original or right is gone: the asset still is."""
    if job.document_id is None:
        return None
    try:
        with transaction.atomic():
            access_document(job.person_id, job.document_id, Act.EDIT)
            elements = edits.read(job.document_id, board.ELEMENTS)
            original = board.original_of(elements, element_id=job.element_id, file_id=ids.show("ast", parent_id))
            if original is None:
                return None
            element_id, properties = board.beside(
                elements,
                original,
                file_id=ids.show("ast", asset.id),
                custom={
                    "jobId": ids.show("job", job.id),
                    "parentAssetId": ids.show("ast", parent_id),
                    "model": model,
                },
                now_ms=int(time.time() * 1000),
            )
            return edits.apply(
                job.document_id,
                [edits.SetEntry(board.ELEMENTS, element_id, properties)],
                workspace_id=job.workspace_id,
                author=f"model:{model}",
                on_behalf_of=job.person_id,
            )
    except AppError as exc:
        log.info("job.not_placed", job_id=ids.show("job", job.id), code=exc.code)
        return None


def _end(lease: Lease, end: Callable[[Job], None]) -> None:
    try:
        with _fenced(lease.claim) as job:
            end(job)
    except LeaseLost:
        _let_go(lease)
    except _DATABASE_AWAY:
        log.exception("job.database_away", job_id=ids.show("job", lease.claim.job_id))


def _let_go(lease: Lease) -> None:
    """Charge what a cancelled job used, and delete what this attempt wrote, if the job has ended without it; if it runs
    elsewhere, that run sees to it.
    """
    claim = lease.claim
    log.info("job.let_go", job_id=ids.show("job", claim.job_id), attempt=claim.attempt)
    try:
        with tenancy.acting(workspace_id=claim.workspace_id):
            job = rows.by_id(Job, claim.job_id, lock=True)
            if job and job.attempt == claim.attempt and job.state == State.CANCELLED:
                _charge(claim, job, lease.used_us)
                if lease.used_us:
                    Job.objects.filter(pk=job.pk).update(compute_us=sum(lease.used_us.values()))
        if lease.wrote and (job is None or job.state in ENDED):
            content.drop_unused(claim.workspace_id, [lease.wrote])
        if job:
            drop_staged(job)
    except (*_DATABASE_AWAY, PartUnavailable) as exc:
        log.warning("job.left_behind", error=type(exc).__name__)  # the sweeper deletes it


def drop_staged(job: Job) -> None:
    """Delete the objects of an ended job that no asset is made of. Raises StorageUnavailable."""
    if job.staged and job.state in ENDED:
        content.drop_unused(job.workspace_id, job.staged)
        with tenancy.acting(workspace_id=job.workspace_id):
            Job.objects.filter(pk=job.pk).update(staged=[])
