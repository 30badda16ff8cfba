"""How a job's result is written and kept, whatever breaks meanwhile: bytes and rows, and none without the other."""

import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from django.db import OperationalError, connections
from django.test import Client
from django.utils import timezone

from backend.assets import results
from backend.assets.content import ContentVanished
from backend.assets.models import Asset
from backend.core import storage, tenancy
from backend.core.storage import StorageUnavailable
from backend.generations import running, services, sweeper
from backend.generations.claiming import Claim
from backend.generations.models import Job
from tests.backend.api.test_assets import keys_of
from tests.backend.api.test_jobs import picture
from tests.backend.generations.test_running import effects, fresh, held_job, take
from tests.conftest import Studio

Api = Callable[[Any], Client]


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Results are written before their rows, as large ones are."""
    monkeypatch.setattr(results.Result, "is_small", False)


def test_cancelled_between_writing_and_publishing(
    studio: Studio, api: Api, monkeypatch: pytest.MonkeyPatch, large: None
) -> None:
    """The worst moment to cancel: the objects are written, the asset is not. Nothing of them is left, and what was
    computed is charged, for it was used."""
    job = held_job(studio, picture(api(studio.ada), studio))
    before = keys_of(studio)
    written = results.write

    def write_then_cancel(workspace_id: uuid.UUID, result: results.Result) -> None:
        written(workspace_id, result)
        assert len(keys_of(studio)) > len(before)
        with tenancy.acting(person_id=studio.ada.id):
            services.cancel(job.id, by=studio.ada.id)

    monkeypatch.setattr(results, "write", write_then_cancel)
    running.run(take(job))
    job = fresh(job)
    assert (job.state, effects(job), keys_of(studio)) == ("cancelled", (0, 1), before)
    assert (job.compute_us or 0) > 0


def test_cancelled_result_that_equals_an_asset_is_kept(
    studio: Studio, api: Api, monkeypatch: pytest.MonkeyPatch, large: None
) -> None:
    """Two jobs of one input make the same bytes: cancelling the second does not take the first one's away."""
    asset_id = picture(api(studio.ada), studio)
    first, second = held_job(studio, asset_id), held_job(studio, asset_id)
    running.run(take(first))
    before = keys_of(studio)
    written = results.write

    def write_then_cancel(workspace_id: uuid.UUID, result: results.Result) -> None:
        written(workspace_id, result)
        with tenancy.acting(person_id=studio.ada.id):
            services.cancel(second.id, by=studio.ada.id)

    monkeypatch.setattr(results, "write", write_then_cancel)
    running.run(take(second))
    assert (fresh(second).state, keys_of(studio)) == ("cancelled", before)


def test_what_a_killed_worker_wrote_is_swept(studio: Studio, api: Api) -> None:
    """Objects of a job that was cancelled while its worker was dead are deleted after a minute."""
    job = held_job(studio, picture(api(studio.ada), studio))
    before = keys_of(studio)
    orphan = "ab" * 32
    storage.put(storage.content_key(studio.workspace.id, orphan), b"half a result", media_type="image/jpeg")
    take(job)
    with tenancy.acting(person_id=studio.ada.id, workspace_id=studio.workspace.id):
        Job.objects.filter(pk=job.pk).update(staged=[orphan])
        services.cancel(job.id, by=studio.ada.id)
        Job.objects.filter(pk=job.pk).update(finished_at=timezone.now() - timedelta(minutes=5))
    sweeper.sweep()
    assert (keys_of(studio), fresh(job).staged) == (before, [])


@pytest.mark.parametrize(
    "fault", [StorageUnavailable(), OperationalError(), ContentVanished()], ids=["s3", "database", "content"]
)
def test_what_was_computed_outlasts_a_restart(
    studio: Studio, api: Api, monkeypatch: pytest.MonkeyPatch, large: None, fault: Exception
) -> None:
    """A part that is away for a moment when the result is written costs a moment, not the compute."""
    job = held_job(studio, picture(api(studio.ada), studio))
    faults = [fault, fault]
    written = results.write

    def away_twice(*args: Any) -> None:
        written(*args)
        if faults:
            raise faults.pop()

    monkeypatch.setattr(results, "write", away_twice)
    running.run(take(job))
    assert (fresh(job).state, fresh(job).attempt, effects(job)) == ("succeeded", 1, (1, 1))


@pytest.mark.parametrize("how", ["fails", "hangs"])
def test_a_small_result_is_written_before_its_rows_where_it_could_not_be_beside_them(
    studio: Studio, api: Api, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """A store that fails or hangs while rows are locked: they are free within about a second, and it is asked again."""
    job = held_job(studio, picture(api(studio.ada), studio))
    put, tries = storage.put, count()
    locked_s = []

    def bad_at_first(*args: Any, **options: Any) -> None:
        if next(tries) < 2:  # the picture and its thumbnail
            if how == "fails":
                raise StorageUnavailable
            time.sleep(4)
        put(*args, **options)

    fenced = running._fenced

    @contextmanager
    def timed(claim: Claim) -> Iterator[Job]:
        began = time.monotonic()
        try:
            with fenced(claim) as found:
                yield found
        finally:
            locked_s.append(time.monotonic() - began)

    monkeypatch.setattr(storage, "put", bad_at_first)
    monkeypatch.setattr(running, "_fenced", timed)
    running.run(take(job))
    assert (fresh(job).state, fresh(job).attempt, effects(job)) == ("succeeded", 1, (1, 1))
    assert len(locked_s) == 2
    assert max(locked_s) < 3
    with tenancy.acting(workspace_id=studio.workspace.id):
        made = Asset.objects.get(lineage__job_id=job.id)
    assert storage.exists(storage.content_key(studio.workspace.id, made.sha256))


def test_what_is_written_beside_rows_that_fail_is_deleted(
    studio: Studio, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows break after the bytes set out, and somebody cancels: nothing is left, however slow the store is."""
    job = held_job(studio, picture(api(studio.ada), studio))
    before = keys_of(studio)
    put = storage.put

    def slow(*args: Any, **options: Any) -> None:
        time.sleep(0.4)
        put(*args, **options)

    def break_and_cancel(*_args: Any, **_options: Any) -> None:
        def cancel() -> None:
            with tenancy.acting(person_id=studio.ada.id):
                services.cancel(job.id, by=studio.ada.id)
            connections.close_all()

        cancelling.append(pool.submit(cancel))  # it waits for the row
        raise OperationalError

    cancelling: list[Any] = []
    monkeypatch.setattr(storage, "put", slow)
    monkeypatch.setattr(running, "_succeed", break_and_cancel)
    with ThreadPoolExecutor(1) as pool:
        running.run(take(job))
    assert [done.result() for done in cancelling] == [None]
    assert (fresh(job).state, keys_of(studio)) == ("cancelled", before)


def test_commit_whose_answer_got_lost_counts_once(studio: Studio, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the connection breaks after the commit, the next try finds the job ended and changes nothing."""
    job = held_job(studio, picture(api(studio.ada), studio))
    published = running._publish
    faults = [OperationalError()]

    def publish_then_break(*args: Any, **options: Any) -> None:
        published(*args, **options)
        if faults:
            raise faults.pop()

    monkeypatch.setattr(running, "_publish", publish_then_break)
    running.run(take(job))
    with tenancy.acting(workspace_id=studio.workspace.id):
        made = Asset.objects.get(lineage__job_id=job.id)
    assert (fresh(job).state, effects(job)) == ("succeeded", (1, 1))
    assert storage.exists(storage.content_key(studio.workspace.id, made.sha256))
