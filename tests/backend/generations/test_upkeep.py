"""What operators do with jobs: see them, end them, and let none begin."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from backend.core import ids
from backend.generations import upkeep
from backend.generations.claiming import claim_next
from backend.generations.errors import StepNotPossible
from tests.backend.api.test_jobs import ended, picture, reached, submit
from tests.backend.generations.test_running import fresh, held_job, take
from tests.conftest import Stack, Studio

Api = Callable[[Any], Client]


@pytest.fixture
def resumed(stack: Stack) -> Iterator[None]:
    """Jobs begin again afterwards; what other tests left running has ended."""
    for one in upkeep.work(limit=10_000):
        if one.state == "running":
            with suppress(StepNotPossible):
                upkeep.kill(one.job_id)
    yield
    upkeep.resume()


def jobs(*words: object) -> str:
    out = StringIO()
    call_command("jobs", *map(str, words), stdout=out, stderr=out)
    return out.getvalue()


def test_all_work_is_seen(studio: Studio, other_studio: Studio, api: Api) -> None:
    """Of every workspace, what runs first; nothing of what it is of."""
    waits = held_job(studio, picture(api(studio.ada), studio))
    runs = held_job(other_studio, picture(api(other_studio.ada), other_studio))
    take(runs)
    lines = jobs("list", "--limit", 10_000).splitlines()
    at = {job: next(n for n, line in enumerate(lines) if ids.show("job", job.id) in line) for job in (waits, runs)}
    assert at[runs] < at[waits]
    assert lines[at[waits]].split()[1:6] == [studio.workspace_id, studio.ada_id, "enhance", "interactive", "queued"]
    for job in (waits, runs):
        upkeep.kill(job.id)


def test_any_job_can_be_killed(studio: Studio, api: Api) -> None:
    """It ends as if its own person had cancelled it; what has ended already, or never was, is said and left alone."""
    job = held_job(studio, picture(api(studio.ada), studio))
    shown = ids.show("job", job.id)
    assert jobs("kill", shown) == f"{shown}: ended\n"
    assert fresh(job).state == "cancelled"
    out = StringIO()
    with pytest.raises(CommandError, match="3 of 3 were not ended"):
        call_command("jobs", "kill", shown, ids.show("job", ids.new_id()), "prj_1", stdout=out, stderr=out)
    assert [line.partition(": ")[2] for line in out.getvalue().splitlines()] == [
        "The job is cancelled: it can't cancel now.",
        "There is no such job.",
        "This is not the id of a job.",
    ]


def test_a_drained_studio_takes_in_and_begins_nothing(studio: Studio, api: Api, resumed: None) -> None:
    """What runs ends first; what is asked for meanwhile waits, and is done once jobs begin again."""
    client = api(studio.ada)
    asset_id = picture(client, studio)
    running_ones = [submit(client, studio, asset_id).json()["id"] for _ in range(3)]
    said = jobs("drain").splitlines()
    assert said[-1] == "None runs, and none begins until `resume`."
    later = submit(client, studio, asset_id).json()["id"]
    assert claim_next() is None
    time.sleep(2.0)
    assert reached(client, later, {"queued"})["state"] == "queued"
    assert "No job begins since" in jobs("list")
    assert jobs("resume") == "Jobs begin again.\n"
    for job_id in (*running_ones, later):
        assert ended(client, job_id)["state"] == "succeeded"


def test_drain_says_what_still_runs(studio: Studio, api: Api, resumed: None) -> None:
    """It gives up after a while, and no other job has begun meanwhile."""
    job = held_job(studio, picture(api(studio.ada), studio))
    take(job)
    with pytest.raises(CommandError, match="1 jobs still run"):
        jobs("drain", "--timeout", 0.5)
    assert upkeep.paused_since() is not None
    upkeep.kill(job.id)


def test_a_workspace_weighs_what_operators_say(studio: Studio, other_studio: Studio) -> None:
    """Until they say it weighs 1 again; what no weight is, is refused."""
    said = jobs("weigh", studio.workspace_id, 2.5)
    assert f"{studio.workspace_id} 2.5\n" in said
    assert other_studio.workspace_id not in said
    for wrong in (0, -1, 1000, "nan"):
        with pytest.raises(CommandError, match="between"):
            jobs("weigh", studio.workspace_id, wrong)
    assert studio.workspace_id not in jobs("weigh", studio.workspace_id, 1)
