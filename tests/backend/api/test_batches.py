"""Batches through the API: many jobs at once, all or none, followed and ended together."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from backend.core import ids, tenancy
from backend.core.models import Event
from backend.generations.models import Job
from tests.backend.api.test_jobs import picture
from tests.backend.assets.test_pictures import photo
from tests.conftest import Studio

Api = Callable[[Any], Client]


def send(client: Client, studio: Studio, **body: Any) -> Any:
    path = f"/api/v1/projects/{studio.project_id}/batches"
    return client.post(path, {"task": "denoise", **body}, content_type="application/json")


def ended(client: Client, batch_id: str, *, within_s: float = 60.0) -> dict[str, Any]:
    deadline = time.monotonic() + within_s
    while True:
        batch: dict[str, Any] = client.get(f"/api/v1/batches/{batch_id}").json()
        if batch["ended"] or time.monotonic() > deadline:
            return batch
        time.sleep(0.05)


def jobs_of(client: Client, studio: Studio, batch_id: str) -> list[dict[str, Any]]:
    path = f"/api/v1/projects/{studio.project_id}/jobs"
    found: list[dict[str, Any]] = client.get(path, {"batch_id": batch_id, "limit": "200"}).json()["items"]
    return found


def test_each_asset_with_each_combination(studio: Studio, api: Api) -> None:
    """Two pictures and three strengths are six jobs, which run by the batch lane; one event says that they came."""
    client = api(studio.ada)
    assets = [picture(client, studio, photo(48 + number, 32)) for number in range(2)]
    answer = send(client, studio, input_asset_ids=assets, vary={"strength": [10, 25.5, 50]})
    batch = answer.json()
    assert (answer.status_code, batch["jobs"]) == (202, 6)
    assert answer["Location"] == f"/api/v1/batches/{batch['id']}"
    assert ended(client, batch["id"])["states"]["succeeded"] == 6
    jobs = jobs_of(client, studio, batch["id"])
    assert {job["lane"] for job in jobs} == {"batch"}
    assert sorted((job["input_asset_id"], job["parameters"]["strength"]) for job in jobs) == sorted(
        (asset, strength) for asset in assets for strength in (10.0, 25.5, 50.0)
    )
    assert client.get(f"/api/v1/batches/{batch['id']}").json()["compute_s"] > 0
    with tenancy.acting(workspace_id=studio.workspace.id):
        kinds = list(Event.objects.filter(resource=batch["id"]).values_list("kind", flat=True))
    assert kinds == ["batch.submitted"]


def test_batches_are_listed(studio: Studio, api: Api) -> None:
    """The newest first, each with what became of its jobs."""
    client = api(studio.ada)
    asset = picture(client, studio, photo(32, 32))
    sent = [send(client, studio, input_asset_ids=[asset]).json()["id"] for _ in range(2)]
    listed = client.get(f"/api/v1/projects/{studio.project_id}/batches").json()["items"]
    assert [batch["id"] for batch in listed] == sent[::-1]
    assert all(sum(batch["states"].values()) == batch["jobs"] == 1 for batch in listed)


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"vary": {"strength": [10, 999]}}, "invalid_parameters", "parameters.strength"),
        ({"vary": {"colour": ["red"]}}, "invalid_parameters", "parameters.colour"),
        ({"task": "canny", "vary": {"high_threshold": [250, 50]}}, "invalid_parameters", "parameters.high_threshold"),
        ({"vary": {"strength": [1]}, "parameters": {"strength": 2}}, "invalid_input", "vary.strength"),
        ({"vary": {"strength": []}}, "invalid_input", "vary.strength"),
        ({"task": "denose"}, "unknown_task", None),
        ({"input_asset_ids": []}, "invalid_input", "input_asset_ids"),
    ],
)
def test_all_or_none(studio: Studio, api: Api, body: dict[str, Any], code: str, field: str | None) -> None:
    """What is wrong with one of them is told, with its place, and nothing is queued."""
    client = api(studio.ada)
    answer = send(client, studio, **{"input_asset_ids": [picture(client, studio)], **body})
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert field is None or field in str(answer.json())
    with tenancy.acting(workspace_id=studio.workspace.id):
        assert not Job.objects.filter(project=studio.project).exists()


def test_one_asset_that_is_not_there_is_enough(studio: Studio, other_studio: Studio, api: Api) -> None:
    client, stranger = api(studio.ada), api(other_studio.ada)
    assets = [picture(client, studio), picture(stranger, other_studio)]
    assert send(client, studio, input_asset_ids=assets).status_code == 404
    with tenancy.acting(workspace_id=studio.workspace.id):
        assert not Job.objects.filter(project=studio.project).exists()


def test_a_batch_has_its_limit(studio: Studio, api: Api, settings: Any) -> None:
    settings.MAX_BATCH_JOBS = 5
    client = api(studio.ada)
    answer = send(client, studio, input_asset_ids=[picture(client, studio)] * 2, vary={"strength": [10, 20, 30]})
    assert (answer.status_code, answer.json()["code"]) == (422, "batch_too_large")


def test_cancelled_together(studio: Studio, api: Api) -> None:
    """Those that ended before stay as they are; the others end at once. A second time changes nothing."""
    client = api(studio.ada)
    assets = [picture(client, studio, photo(900, 700))] * 12
    batch = send(client, studio, task="enhance", input_asset_ids=assets).json()
    cancelled = client.post(f"/api/v1/batches/{batch['id']}/cancel").json()
    again = client.post(f"/api/v1/batches/{batch['id']}/cancel").json()
    assert cancelled["ended"]
    assert cancelled["states"] == again["states"]
    assert cancelled["states"]["cancelled"] > 8
    assert cancelled["states"]["cancelled"] + cancelled["states"]["succeeded"] == 12


def test_only_ones_own(studio: Studio, api: Api) -> None:
    """A colleague who may edit can't end it; who manages the workspace can."""
    owner, editor = api(studio.ada), api(studio.bo)
    batch = send(owner, studio, input_asset_ids=[picture(owner, studio, photo(900, 700))] * 3, task="enhance").json()
    refused = editor.post(f"/api/v1/batches/{batch['id']}/cancel")
    assert (refused.status_code, refused.json()["code"]) == (403, "not_your_job")
    assert owner.post(f"/api/v1/batches/{batch['id']}/cancel").json()["ended"]


def test_a_batch_does_not_hold_up_a_single_job(studio: Studio, api: Api) -> None:
    """Somebody asks for one picture in the middle of another's batch, and has it before the batch has ended."""
    heavy, light = api(studio.ada), api(studio.bo)
    batch = send(heavy, studio, input_asset_ids=[picture(heavy, studio, photo(700, 500))] * 15, task="enhance").json()
    asset = picture(light, studio)
    path = f"/api/v1/projects/{studio.project_id}/jobs"
    job = light.post(path, {"task": "enhance", "input_asset_id": asset}, content_type="application/json").json()
    deadline = time.monotonic() + 60
    while light.get(f"/api/v1/jobs/{job['id']}").json()["state"] != "succeeded":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert not light.get(f"/api/v1/batches/{batch['id']}").json()["ended"]
    heavy.post(f"/api/v1/batches/{batch['id']}/cancel")


def test_its_id_is_a_batch_s(studio: Studio, api: Api) -> None:
    unknown = api(studio.ada).get(f"/api/v1/batches/{ids.show('bat', ids.new_id())}")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")
