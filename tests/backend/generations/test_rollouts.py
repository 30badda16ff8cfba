"""Which version of a model a job is run by: tried, taken for all, gone back from, while jobs run on the real Triton."""

import time
from collections.abc import Callable, Iterator
from io import StringIO
from threading import Event, Thread
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from backend.generations import rollouts, running
from backend.generations.models import Rollout
from backend.generations.rollouts import Versions
from inference import client as triton
from inference.models import SPAN_X2, SPAN_X2_WIDE
from tests.backend.api.test_jobs import ended, picture, submit
from tests.backend.generations.test_running import fresh, held_job, take
from tests.conftest import Stack, Studio

Api = Callable[[Any], Client]
NAME = SPAN_X2.name


@pytest.fixture
def as_released(stack: Stack) -> Iterator[None]:
    """The studio's models as the release brought them, before and after."""
    yield
    Rollout.objects.using("owner").all().delete()
    time.sleep(rollouts.KNOWN_S)


def models(*words: object) -> str:
    out = StringIO()
    call_command("models", *map(str, words), stdout=out, stderr=out)
    return out.getvalue()


@given(job=st.uuids(version=4), low=st.integers(0, 100), more=st.integers(0, 100))
def test_a_share_only_grows(job: Any, low: int, more: int) -> None:
    """A job that falls to the tried version at some share falls to it at every higher one; at 0 none, at 100 all."""
    at = {percent: Versions(SPAN_X2, SPAN_X2_WIDE, percent).of(job) for percent in (0, low, min(100, low + more), 100)}
    assert at[0] == SPAN_X2
    assert at[100] == SPAN_X2_WIDE
    assert at[low] == SPAN_X2 or at[min(100, low + more)] == SPAN_X2_WIDE


@given(st.randoms(use_true_random=False), st.integers(1, 99))
def test_the_share_is_that_of_the_jobs(chance: Any, percent: int) -> None:
    """Also of jobs that were made in one millisecond, whose ids begin alike."""
    start = chance.getrandbits(80) << 48
    jobs = [UUID(int=start + number) for number in range(2000)]
    versions = Versions(SPAN_X2, SPAN_X2_WIDE, percent)
    share = sum(versions.of(job) == SPAN_X2_WIDE for job in jobs) / len(jobs)
    assert abs(share - percent / 100) < 0.06


def version_of(client: Client, job: dict[str, Any]) -> str:
    assert (job["state"], job["error"]) == ("succeeded", None)
    made = client.get(f"/api/v1/assets/{job['output_asset_id']}").json()
    return str(made["lineage"]["model_version"])


def test_models_are_changed_under_load(studio: Studio, api: Api, as_released: None) -> None:
    """Tried, promoted, unloaded, rolled back while people's jobs go on: none fails, and each is of one version."""
    client = api(studio.ada)
    asset_id = picture(client, studio)
    found: list[str] = []
    stop = Event()

    def work() -> None:
        mine = api(studio.ada)
        while not stop.is_set():
            found.append(version_of(mine, ended(mine, submit(mine, studio, asset_id).json()["id"])))

    def until(version: str) -> None:
        """Three jobs in a row by that version."""
        deadline, seen = time.monotonic() + 60, len(found)
        while found[max(seen, len(found) - 3) :] != [version] * 3:
            assert time.monotonic() < deadline, found
            time.sleep(0.05)

    worker = Thread(target=work)
    worker.start()
    try:
        until("1")
        assert "version 2: 100 % (tried)" in models("try", NAME, 2, "--percent", 100)
        until("2")
        assert "version 1: before, version 2: 100 %" in models("promote", NAME)
        models("unload", NAME, 1)
        until("2")
        assert "version 1: 100 %, version 2: 0 %" in models("rollback", NAME)
        until("1")
        models("unload", NAME, 2)
    finally:
        stop.set()
        worker.join(timeout=90)
    assert set(found) == {"1", "2"}


def test_where_a_trial_fails_the_stable_version_does_the_job(
    studio: Studio, api: Api, stack: Stack, as_released: None
) -> None:
    """Its weights are broken: it is not even tried; had it been before, people's jobs succeed all the same, and after
    some of them the trial ends."""
    weights = stack.plan.var / "triton" / "models" / SPAN_X2_WIDE.served / "1" / "weights.safetensors"
    kept = weights.read_bytes()
    triton.unload(SPAN_X2_WIDE, timeout_s=20.0)
    weights.write_bytes(b"broken")
    try:
        with pytest.raises(CommandError, match="can't be loaded"):
            models("try", NAME, 2)
        assert not Rollout.objects.using("system").filter(model=NAME).exists()
        Rollout.objects.using("system").create(model=NAME, version=1, canary=2, canary_percent=100)
        time.sleep(rollouts.KNOWN_S)
        client = api(studio.ada)
        asset_id = picture(client, studio)
        job = ended(client, submit(client, studio, asset_id).json()["id"])
        assert version_of(client, job) == "1"
        pinned = held_job(studio, asset_id, model_version=2)  # as one that is run again to compare
        running.run(take(pinned))
        assert (fresh(pinned).error or {})["code"] == "inference_failed"
        assert rollouts.all_versions()[NAME].failures == 1  # the pinned one asked for it
        for number in range(2, settings.TRIAL_MAX_FAILURES + 1):
            assert rollouts.all_versions()[NAME].tried == SPAN_X2_WIDE, number
            other = held_job(studio, asset_id)
            running.run(take(other))
            assert fresh(other).state == "succeeded"
        assert rollouts.all_versions()[NAME] == Versions(SPAN_X2)
    finally:
        weights.write_bytes(kept)


def test_failures_count_in_a_row(as_released: None) -> None:
    """A success between them begins the count anew, and so does another trial; what is no longer tried can't fail."""
    Rollout.objects.using("system").create(model=NAME, version=1, canary=2, canary_percent=50)
    for _ in range(settings.TRIAL_MAX_FAILURES - 1):
        rollouts.failed(SPAN_X2_WIDE)
    versions = rollouts.all_versions()[NAME]
    assert versions.failures == settings.TRIAL_MAX_FAILURES - 1
    rollouts.succeeded(versions, SPAN_X2)
    assert rollouts.all_versions()[NAME] == versions
    rollouts.succeeded(versions, SPAN_X2_WIDE)
    assert rollouts.all_versions()[NAME].failures == 0
    rollouts.failed(SPAN_X2_WIDE)
    assert rollouts.promote(NAME).stable == SPAN_X2_WIDE
    rollouts.failed(SPAN_X2_WIDE)
    assert rollouts.all_versions()[NAME].stable == SPAN_X2_WIDE


def test_what_makes_no_sense_is_refused_with_a_reason(as_released: None) -> None:
    """And nothing is changed by it."""
    refused = {
        ("promote", NAME): "No version of span_x2 is being tried",
        ("rollback", NAME): "has not been promoted",
        ("try", NAME, 9): "has no version 9",
        ("load", "span_x9"): "There is no model of this name. There are: span_x2",
    }
    for words, reason in refused.items():
        with pytest.raises(CommandError, match=reason):
            models(*words)
    assert rollouts.all_versions()[NAME] == Versions(SPAN_X2)


def test_a_version_that_the_release_no_longer_has_counts_for_nothing(as_released: None) -> None:
    """After going back to an older release jobs run by what that one brings."""
    Rollout.objects.using("system").create(model=NAME, version=7, previous=6, canary=8, canary_percent=50)
    assert rollouts.all_versions()[NAME] == Versions(SPAN_X2, None, 50, None)


def test_the_list_shows_each_version(stack: Stack) -> None:
    """Who uses it, whether it is loaded, and under which licence."""
    triton.load(SPAN_X2, timeout_s=60.0)
    lines = models("list").splitlines()
    [stable] = [line for line in lines if line.split()[:2] == [NAME, "1"]]
    assert stable.split()[2:5] == ["100", "%", "yes"]
    assert stable.endswith("Apache-2.0")
    assert [line.split()[2] for line in lines if line.split()[:2] == [NAME, "2"]] == ["0"]
