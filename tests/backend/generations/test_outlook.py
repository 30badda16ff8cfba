"""What a forecast knows, on the real tables: how much waits, and what becomes of a job without one."""

import threading
from collections.abc import Callable
from datetime import datetime
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connections
from django.db.models.functions import Now
from django.test import Client

from backend.core import ids, tenancy
from backend.generations import outlook, services
from backend.generations.forecast import Speed
from backend.generations.models import Job
from backend.generations.outlook import Learned, Outlook
from backend.generations.scheduler import Flow, Lane
from tests.backend.api.test_jobs import picture, submit
from tests.backend.generations.test_running import fresh, held_job
from tests.conftest import Studio

Api = Callable[[Any], Client]
SPEED = Speed(fixed_s=0.1, own=1.0, ahead=0.5, at_once=2.0)


def waiting_s(studio: Studio, lane: Lane = Lane.INTERACTIVE) -> float:
    """Of Ada's jobs in that lane, as a newcomer to the queue sees it."""
    with tenancy.acting(using="system"), connections["system"].cursor() as cursor:
        found = outlook._waits_s(cursor)
    return found.get(Flow(lane, studio.workspace.id), {}).get(studio.ada.id, 0.0)


def test_what_waits_is_counted(studio: Studio, api: Api) -> None:
    """From the moment of its asking; not when it was cancelled; and what runs counts until it has ended."""
    asset_id = picture(api(studio.ada), studio)
    first, second, third = (held_job(studio, asset_id, estimate_us=each) for each in (1_000_000, 2_000_000, 4_000_000))
    assert waiting_s(studio) == 7.0
    with tenancy.acting(person_id=studio.ada.id):
        services.cancel(second.id, by=studio.ada.id)
    assert waiting_s(studio) == 5.0
    with tenancy.acting(workspace_id=studio.workspace.id):
        services.expire(Job.objects.select_for_update().get(pk=first.pk))
    assert waiting_s(studio) == 4.0
    assert fresh(third).state == "queued"


def test_a_job_says_when_it_will_end(studio: Studio, api: Api) -> None:
    """In the answer to its asking already, with the range that it will be in."""
    client = api(studio.ada)
    said = submit(client, studio, picture(client, studio)).json()["expected"]
    moments = {name: datetime.fromisoformat(value) for name, value in said.items()}
    assert moments["starts_at"] <= moments["ends_at"]
    assert moments["earliest_end_at"] <= moments["ends_at"] <= moments["latest_end_at"]


def test_jobs_of_a_batch_end_one_after_another(studio: Studio) -> None:
    """Each at least as much later as the one before it takes."""
    jobs = [
        Job(
            workspace_id=studio.workspace.id,
            person_id=studio.ada.id,
            task="enhance",
            lane=Lane.BATCH.value,
            estimate_us=3_000_000,
        )
        for _ in range(4)
    ]
    Outlook().foresee(jobs)
    assert all(later.ahead_us - earlier.ahead_us >= 3_000_000 for earlier, later in pairwise(jobs))
    ends = [(one.expected or {})["ends"] for one in jobs]
    assert ends == sorted(set(ends))


def test_who_asks_now_and_then_finds_nothing_ahead(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs half a second apart, each of which was done before the next: also between two readings of the queue."""
    foreseeing, now = Outlook(), 0.0
    monkeypatch.setattr("backend.generations.outlook.time", SimpleNamespace(monotonic=lambda: now))
    foreseeing._speeds = {(Lane.INTERACTIVE, "enhance"): (Learned(SPEED, SPEED), 1e9)}
    foreseeing._backlog_until = 1e9
    for _ in range(10):
        now += 0.5
        job = Job(workspace_id=studio.workspace.id, person_id=studio.ada.id, task="enhance", estimate_us=900_000)
        foreseeing.foresee([job])
        assert job.ahead_us == 0
    twice = [
        Job(workspace_id=studio.workspace.id, person_id=studio.bo.id, task="enhance", estimate_us=900_000)
        for _ in range(2)
    ]
    for job in twice:
        foreseeing.foresee([job])
    assert [job.ahead_us for job in twice] == [900_000, 1_800_000]


def test_who_comes_after_a_while_hears_what_holds_now(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was learned when somebody asked last is no forecast any more; beside people who ask all the time it is
    learned anew, and nobody waits for that."""
    foreseeing, now = Outlook(), 1000.0
    monkeypatch.setattr("backend.generations.outlook.time", SimpleNamespace(monotonic=lambda: now, thread_time=float))
    waits, wrong = list[threading.Thread](), Speed(fixed_s=900.0, own=1.0, ahead=0.5, at_once=2.0)
    renewing = Outlook._renewed

    def renewed(*asked: Any) -> Any:
        waits.append(threading.current_thread())
        return renewing(*asked)

    monkeypatch.setattr(Outlook, "_renewed", renewed)
    foreseeing._speeds = {(Lane.INTERACTIVE, "enhance"): (Learned(wrong, wrong), now)}
    foreseeing._backlog_until = now

    def ends() -> float:
        job = Job(workspace_id=studio.workspace.id, person_id=studio.ada.id, task="enhance", estimate_us=900_000)
        foreseeing.foresee([job])
        return float((job.expected or {})["ends"])

    now += 0.5
    assert ends() > 900
    [aside] = waits
    aside.join()
    assert aside != threading.current_thread()
    assert foreseeing._speeds[Lane.INTERACTIVE, "enhance"][0].when_asked != wrong
    foreseeing._speeds = {(Lane.INTERACTIVE, "enhance"): (Learned(wrong, wrong), now)}
    now += 5.0
    assert ends() < 100
    assert threading.current_thread() in waits


def test_what_a_task_cost_is_learned_from_jobs_that_ended(studio: Studio, api: Api) -> None:
    """In one lane, for the other too: forty jobs cost four times what was estimated, so the next will."""
    asset_id = picture(api(studio.ada), studio)
    for _ in range(40):
        job = held_job(studio, asset_id, task="edges", estimate_us=1_000_000, expected={})
        with tenancy.acting(workspace_id=studio.workspace.id):
            Job.objects.filter(pk=job.pk).update(
                state="succeeded", compute_us=4_000_000, started_at=Now(), finished_at=Now()
            )
    batch = {"workspace_id": studio.workspace.id, "person_id": studio.ada.id, "lane": Lane.BATCH.value}
    known, other = (Job(task=task, estimate_us=100_000_000, **batch) for task in ("edges", "unheard of"))
    for asked in (known, other):
        Outlook().foresee([asked])
    assert (known.expected or {})["ends"] > 2.5 * (other.expected or {})["ends"]


def test_who_asks_again_hears_what_holds_now(studio: Studio, api: Api) -> None:
    """When those before it are gone a job that waits will end sooner, and its own page says so."""
    client = api(studio.ada)
    asset_id = picture(client, studio)
    first = held_job(studio, asset_id, estimate_us=100_000_000_000)  # a day: here jobs cost far less than they say
    second = held_job(studio, asset_id, estimate_us=1_000_000)

    def ends_at() -> datetime:
        job = client.get(f"/api/v1/jobs/{ids.show('job', second.id)}").json()
        return datetime.fromisoformat(job["expected"]["ends_at"])

    behind = ends_at()
    with tenancy.acting(person_id=studio.ada.id):
        services.cancel(first.id, by=studio.ada.id)
    assert (behind - ends_at()).total_seconds() > 60


def test_without_a_forecast_the_job_is_queued_all_the_same(
    studio: Studio, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that fails in the middle of it costs nobody a job."""
    monkeypatch.setattr(outlook, "_BACKLOG", "SELECT 1 / 0")
    monkeypatch.setattr(services, "outlook", Outlook())
    client = api(studio.ada)
    answer = submit(client, studio, picture(client, studio))
    assert (answer.status_code, answer.json()["expected"]) == (202, None)
