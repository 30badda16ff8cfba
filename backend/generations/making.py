"""Makes a job's picture: runs its steps one after another, by the right versions, from as far as is known already."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any

import structlog
from django.conf import settings
from django.db import connections

from backend.assets.queries import AssetRef
from backend.core import ids, live, metrics
from backend.core.arrays import Bytes
from backend.generations import chains, intermediates, rollouts
from backend.generations.chains import ChainStep
from backend.generations.claiming import Lease
from backend.generations.models import Job
from backend.generations.previews import Preview
from backend.generations.queries import present, preview_url
from backend.generations.turns import JobTurn, turns
from inference import client
from inference.errors import InferenceFailed
from inference.models import Model
from inference.runs import Progress
from inference.runs import Result as Inferred

log = structlog.get_logger()
_TELL_EVERY_S = 0.1
_aside = ThreadPoolExecutor(2, thread_name_prefix="recipe-keep")  # while the next step runs
_KEEP_S = 5.0
_TIMES_THE_ESTIMATE = 10.0  # how much longer than estimated a large picture may take, for jobs share the model


@dataclass(frozen=True, slots=True)
class StepMade:
    """What the lineage says of a step. `compute_us`: that it took when it was run; `kept`: which was another time."""

    task: str
    task_version: str
    parameters: dict[str, Any]
    model: str
    model_version: str
    model_digest: str
    dtype: str
    compute_us: int
    kept: bool = False


@dataclass(frozen=True, slots=True)
class Made:
    picture: Bytes
    steps: tuple[StepMade, ...]

    @property
    def last(self) -> StepMade:
        return self.steps[-1]

    @property
    def used_us(self) -> dict[int, int]:
        """Of compute, by the number of each step that was run for this job."""
        return {number: step.compute_us for number, step in enumerate(self.steps, 1) if not step.kept}

    @property
    def compute_us(self) -> int:
        return sum(self.used_us.values())


def make(job: Job, lease: Lease, source: AssetRef, pixels: Bytes) -> Made:
    """From the input's pixels. Raises: as `inference.client.run`."""
    work = _Work(job, lease, source, pixels)
    picture, made = work.found(pixels)
    connections.close_all()  # the network takes seconds to minutes
    keeping = list[Future[None]]()
    with turns.of(lease.claim) as turn, closing(work.preview):
        while len(made) < len(work.chain):
            result = work.run(picture, turn, number=len(made) + 1)
            picture = result.picture
            made.append(_said(work.chain[len(made)], result))
            if work.keeps and len(made) < len(work.chain):
                keeping.append(_aside.submit(work.keep, picture, tuple(made)))
    wait(keeping, timeout=_KEEP_S)  # whoever sees the job ended finds them; but a store that hangs holds up no result
    return Made(picture, tuple(made))


class _Work:
    """A job's steps on their way. Lists are in the order of the steps, whose numbers begin with 1."""

    def __init__(self, job: Job, lease: Lease, source: AssetRef, pixels: Bytes) -> None:
        height, width = pixels.shape[:2]
        self.job, self.lease, self.source = job, lease, source
        self.chain = chains.of_job(job)
        self.keeps = len(self.chain) > 1 and job.again_of is None and settings.RECIPE_CACHE_MB > 0
        self._versions = [rollouts.versions_of(step.task.model) for step in self.chain]
        self._models = [
            versions.of(job.id, asked=step.version) for step, versions in zip(self.chain, self._versions, strict=True)
        ]
        self._costs_s = chains.costs_s(self.chain, width=width, height=height)
        self._units = chains.units_of(self.chain, self._models, width=width, height=height)
        self._first = 1  # step that is run
        self.preview = Preview(job.id)
        limit_s = job.run_timeout_s or max(settings.JOB_RUN_TIMEOUT_S, _TIMES_THE_ESTIMATE * job.estimate_us / 1e6)
        self._deadline = time.monotonic() + limit_s

    def found(self, pixels: Bytes) -> tuple[Bytes, list[StepMade]]:
        """The picture after as many steps as were done another time, the input after none; and what made it."""
        kept = intermediates.find(self.job.workspace_id, self._contents()[:-1]) if self.keeps else None
        if kept is None:
            return pixels, []
        self._first = len(kept.made) + 1
        return kept.picture, [StepMade(**step, kept=True) for step in kept.made]

    def keep(self, picture: Bytes, made: Sequence[StepMade]) -> None:
        said = [{name: value for name, value in asdict(step).items() if name != "kept"} for step in made]
        content = self._contents()[len(made) - 1]
        try:
            intermediates.keep(self.job.workspace_id, content, picture, said, input_sha256=self.source.sha256)
        finally:
            connections.close_all()

    def run(self, picture: Bytes, turn: JobTurn, *, number: int) -> Inferred:
        """By the version that the job falls to; where one fails that is only being tried, by the stable one."""
        step, versions, model = self.chain[number - 1], self._versions[number - 1], self._models[number - 1]
        try:
            result = self._run_by(model, picture, turn, number)
        except InferenceFailed as exc:
            if model == versions.stable or step.version is not None:  # that one and no other was asked for
                raise
            metrics.TRIALS_FAILED.labels(model.served).inc()
            shown = ids.show("job", self.job.id)
            log.warning("job.trial_failed", job_id=shown, model=model.served, error=exc.detail)
            rollouts.failed(model)
            self._models[number - 1] = versions.stable
            return self._run_by(versions.stable, picture, turn, number)
        rollouts.succeeded(versions, model)
        return result

    def _run_by(self, model: Model, picture: Bytes, turn: JobTurn, number: int) -> Inferred:
        step = self.chain[number - 1]
        self.lease.step = number
        return client.run(
            step.task.name,
            picture,
            step.parameters,
            on_progress=self._progress_of(number),
            cancelled=self.lease.lost.is_set,
            timeout_s=self._deadline - time.monotonic(),
            turn=turn.of_part(self._costs_s[number - 1] / sum(self._costs_s[self._first - 1 :])),
            version=model.version,
        )

    def _progress_of(self, number: int) -> Callable[[Progress], None]:
        """Tells open pages at most ten times a second, and not of a job's only unit, which its end tells; the keeper
        writes the same to the row with its heartbeat.
        """
        topic, shown, told_at = ids.show("prj", self.job.project_id), present(self.job), 0.0
        before, after = sum(self._units[self._first - 1 : number - 1]), sum(self._units[number:])
        lease, preview = self.lease, self.preview
        preview.begin()

        def told(now: Progress) -> None:
            nonlocal told_at
            self._units[number - 1] = now.total  # for the steps after it: a GPU's tiles are larger
            lease.done, lease.total = before + now.done, before + now.total + after
            lease.used_us[number] = round(now.compute_s * 1e6)
            preview.show(now.picture, now.areas, total=now.total)
            lease.preview = preview.number
            if lease.total > 1 and (now.done == now.total or time.monotonic() - told_at >= _TELL_EVERY_S):
                told_at = time.monotonic()
                progress = {"done": lease.done, "total": lease.total, "step": number}
                url = preview_url(self.job.id, preview.number)
                live.publish_now(topic, "job", {**shown, "progress": progress, "preview_url": url})

        return told

    def _contents(self) -> list[str]:
        return chains.contents(self.source.sha256, self.chain, self._models)


def _said(step: ChainStep, result: Inferred) -> StepMade:
    return StepMade(
        task=step.task.name,
        task_version=step.task.version,
        parameters=step.parameters.model_dump(mode="json"),
        model=result.model,
        model_version=result.model_version,
        model_digest=result.model_digest,
        dtype=result.dtype,
        compute_us=round(result.compute_s * 1e6),
    )
