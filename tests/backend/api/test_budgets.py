"""How much compute may be used in a month: refused before it is queued, stopped before it begins, told of."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from backend.core import ids, tenancy
from backend.core.models import Event
from backend.generations import running, upkeep
from backend.generations.models import Charge, Job
from tests.backend.api.test_jobs import picture, submit
from tests.backend.generations.test_running import effects, fresh, held_job, take
from tests.conftest import Stack, Studio

Api = Callable[[Any], Client]


def limit(client: Client, studio: Studio, *, person_id: str | None = None, **limits: float | None) -> Any:
    whose = f"members/{person_id}/" if person_id else ""
    return client.put(
        f"/api/v1/workspaces/{studio.workspace_id}/{whose}budget", limits, content_type="application/json"
    )


def budget(client: Client, studio: Studio) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"/api/v1/workspaces/{studio.workspace_id}/budget").json()
    return found


def charged(studio: Studio, job: Job, compute_s: float, *, at: datetime | None = None) -> None:
    """As a job that succeeded leaves it, but for the asset."""
    with tenancy.acting(workspace_id=studio.workspace.id):
        Job.objects.filter(pk=job.pk).update(state="cancelled", finished_at=job.created_at)
        Charge.objects.create(
            id=ids.new_id(),
            workspace_id=job.workspace_id,
            project_id=job.project_id,
            person_id=job.person_id,
            job=job,
            task=job.task,
            model="span_x2",
            compute_us=round(compute_s * 1e6),
            **({"created_at": at} if at else {}),
        )


def test_what_does_not_fit_is_not_queued(studio: Studio, api: Api) -> None:
    """What is spent, what waits and what is asked for count together; the refusal says how much of each."""
    client = api(studio.ada)
    asset_id = picture(client, studio)
    charged(studio, held_job(studio, asset_id), 5.0)
    held_job(studio, asset_id, estimate_us=3_000_000)
    need_s = submit(client, studio, asset_id, start_by="2020-01-01T00:00:00Z").json()["estimate_s"]
    assert limit(client, studio, hard_s=7.999 + need_s).status_code == 200
    refused = submit(client, studio, asset_id)
    problem = refused.json()
    assert (refused.status_code, problem["code"]) == (402, "budget_spent")
    assert (problem["spent_s"], problem["asked_s"]) == (5.0, need_s)
    assert "5.0 s are spent" in problem["detail"]
    limit(client, studio, hard_s=9.0 + 2 * need_s)
    assert submit(client, studio, asset_id).status_code == 202


@pytest.fixture
def paused(stack: Stack) -> Iterator[None]:
    """No job begins, so that each counts by its estimate."""
    upkeep.pause()
    yield
    upkeep.resume()


def test_what_is_left_is_given_once(studio: Studio, api: Api, paused: None) -> None:
    """Of six who ask at the same moment one gets it, where it is enough for one and a half."""
    client = api(studio.ada)
    asset_id = picture(client, studio)
    need_s = submit(client, studio, asset_id).json()["estimate_s"]
    charged(studio, held_job(studio, asset_id), 1_000.0)
    assert limit(client, studio, hard_s=1_000.0 + 2.5 * need_s).status_code == 200

    def ask(_number: int) -> int:
        return int(submit(api(studio.ada), studio, asset_id).status_code)

    with ThreadPoolExecutor(6) as pool:
        answers = sorted(pool.map(ask, range(6)))
    assert answers == [202, *[402] * 5]


def test_of_a_batch_all_fit_or_none_is_queued(studio: Studio, api: Api) -> None:
    """Three jobs where there is room for two: none."""
    client = api(studio.ada)
    asset_ids = [picture(client, studio) for _ in range(3)]
    limit(client, studio, hard_s=0.0)
    path = f"/api/v1/projects/{studio.project_id}/batches"
    body = {"task": "enhance", "input_asset_ids": asset_ids, "parameters": {}}
    refused = client.post(path, body, content_type="application/json")
    assert (refused.status_code, refused.json()["code"]) == (402, "budget_spent")
    limit(client, studio, hard_s=refused.json()["asked_s"] * 2 / 3)
    assert client.post(path, body, content_type="application/json").status_code == 402
    assert client.get(f"/api/v1/projects/{studio.project_id}/jobs").json()["items"] == []
    limit(client, studio, hard_s=refused.json()["asked_s"])
    assert client.post(path, body, content_type="application/json").status_code == 202


def test_one_person_may_have_less(studio: Studio, api: Api) -> None:
    """Bo's limit holds Bo alone, and within it the workspace's holds him too."""
    ada, bo = api(studio.ada), api(studio.bo)
    asset_id = picture(ada, studio)
    limit(ada, studio, person_id=studio.bo_id, hard_s=0.0)
    refused = submit(bo, studio, asset_id)
    assert refused.json()["detail"].startswith("You may use 0.0 s of compute in a month")
    assert submit(ada, studio, asset_id).status_code == 202
    limit(ada, studio, person_id=studio.bo_id, hard_s=100.0)
    assert submit(bo, studio, asset_id).status_code == 202
    limit(ada, studio, hard_s=0.0)
    assert submit(bo, studio, asset_id).json()["detail"].startswith("The workspace may")


def test_spent_in_the_middle_what_waits_does_not_begin(studio: Studio, api: Api) -> None:
    """The second of two jobs fails with a reason that helps, leaves nothing, and costs nothing."""
    client = api(studio.ada)
    asset_id = picture(client, studio)
    first, second = held_job(studio, asset_id), held_job(studio, asset_id)
    limit(client, studio, hard_s=10.0)
    charged(studio, first, 10.0)
    running.run(take(second))
    ended = fresh(second)
    assert (ended.state, (ended.error or {})["code"]) == ("failed", "budget_spent")
    assert effects(second) == (0, 0)
    third = held_job(studio, asset_id)
    limit(client, studio, hard_s=11.0)
    running.run(take(third))
    assert fresh(third).state == "succeeded"  # what runs may overdraw


def test_a_soft_limit_is_told_of_once(studio: Studio, api: Api) -> None:
    """By an event, for the workspace and for the person; again once the limit was set anew."""
    client = api(studio.ada)
    asset_id = picture(client, studio)

    def told() -> list[tuple[str | None, float]]:
        with tenancy.acting(workspace_id=studio.workspace.id):
            found = Event.objects.filter(resource=studio.workspace_id, kind="budget.low").order_by("sequence")
            return [(event.data["of_person_id"], event.data["soft_s"]) for event in found]

    limit(client, studio, soft_s=0.0)
    limit(client, studio, person_id=studio.ada_id, soft_s=1e6)
    for _ in range(2):
        running.run(take(held_job(studio, asset_id)))
    assert told() == [(None, 0.0)]
    limit(client, studio, person_id=studio.ada_id, soft_s=0.0)
    running.run(take(held_job(studio, asset_id)))
    assert told() == [(None, 0.0), (studio.ada_id, 0.0)]


def test_the_account_is_the_ledger_of_this_month(studio: Studio, api: Api) -> None:
    """To the microsecond before the month began nothing counts, from then on everything does."""
    client = api(studio.ada)
    asset_id = picture(client, studio)
    began = datetime.fromisoformat(budget(client, studio)["month"])
    assert (began.day, began.hour, began.utcoffset()) == (1, 0, timedelta(0))
    charged(studio, held_job(studio, asset_id), 100.0, at=began - timedelta(microseconds=1))
    charged(studio, held_job(studio, asset_id), 2.5, at=began)
    charged(studio, held_job(studio, asset_id, person=studio.bo), 4.0)
    held_job(studio, asset_id, estimate_us=7_000_000)
    shown = budget(client, studio)
    assert (shown["workspace"]["spent_s"], shown["workspace"]["waiting_s"]) == (6.5, 7.0)
    people = {one["person_id"]: (one["spent_s"], one["waiting_s"]) for one in shown["people"]}
    assert people == {studio.ada_id: (2.5, 7.0), studio.bo_id: (4.0, 0.0)}
    ledger = client.get(f"/api/v1/workspaces/{studio.workspace_id}/charges").json()["items"]
    assert sorted(row["compute_s"] for row in ledger) == [2.5, 4.0, 100.0]


def test_others_use_is_for_those_who_manage(studio: Studio, api: Api) -> None:
    """Bo, an editor, sees the workspace's account and his own."""
    ada, bo = api(studio.ada), api(studio.bo)
    charged(studio, held_job(studio, picture(ada, studio)), 3.0)
    shown = budget(bo, studio)
    assert shown["workspace"]["spent_s"] == 3.0
    assert [one["person_id"] for one in shown["people"]] == [studio.bo_id]
    assert bo.get(f"/api/v1/workspaces/{studio.workspace_id}/charges").status_code == 403


def test_limits_that_make_no_sense(studio: Studio, api: Api, other_studio: Studio) -> None:
    """A warning after the end, less than nothing, a person who is no member."""
    client = api(studio.ada)
    assert limit(client, studio, soft_s=2.0, hard_s=1.0).json()["field"] == "soft_s"
    assert limit(client, studio, hard_s=-1.0).status_code == 422
    assert limit(client, studio, person_id=other_studio.bo_id, hard_s=1.0).status_code == 404
    assert limit(client, studio, hard_s=None).json()["hard_s"] is None
