"""Jobs through the API, run by the live worker on the real Triton: asked for, followed, cancelled, placed, undone."""

import io
import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import numpy as np
import pytest
from django.test import Client
from PIL import Image

from backend.core import ids, storage, tenancy
from backend.core.models import Event
from backend.generations.models import Charge, Job
from backend.workspaces.models import Member
from backend.workspaces.services import tell_access_changed
from collab import edits
from tests.backend.api.test_assets import keys_of, upload
from tests.backend.assets.test_pictures import photo, saved
from tests.conftest import Stack, Studio

Api = Callable[[Any], Client]
LiveApi = Callable[[Any], httpx.Client]


def picture(client: Client, studio: Studio, image: Image.Image | None = None, kind: str = "JPEG") -> str:
    data = saved(image or photo(96, 64), kind)
    return str(upload(client, studio.project_id, data).json()["id"])


def submit(client: Client, studio: Studio, asset_id: str, *, key: str | None = None, **body: Any) -> Any:
    request = {"task": "enhance", "input_asset_id": asset_id, "parameters": {"scale": 2}, **body}
    headers = {"Idempotency-Key": key} if key else {}
    path = f"/api/v1/projects/{studio.project_id}/jobs"
    return client.post(path, request, content_type="application/json", headers=headers)


def ended(client: Client, job_id: str, *, within_s: float = 60.0) -> dict[str, Any]:
    return reached(client, job_id, {"succeeded", "failed", "cancelled", "expired"}, within_s=within_s)


def reached(client: Client, job_id: str, states: set[str], *, within_s: float = 60.0) -> dict[str, Any]:
    deadline = time.monotonic() + within_s
    while True:
        job: dict[str, Any] = client.get(f"/api/v1/jobs/{job_id}").json()
        if job["state"] in states or time.monotonic() > deadline:
            return job
        time.sleep(0.05)


def test_job_makes_an_asset_that_knows_its_parent(studio: Studio, api: Api) -> None:
    """Accepted at once; then an asset twice as large, with lineage and cost, one charge and one event."""
    client = api(studio.ada)
    asset_id = picture(client, studio)
    accepted = submit(client, studio, asset_id)
    job = accepted.json()
    assert (accepted.status_code, job["state"], job["estimate_s"] > 0) == (202, "queued", True)
    assert accepted["Location"] == f"/api/v1/jobs/{job['id']}"
    job = ended(client, job["id"])
    assert (job["state"], job["error"]) == ("succeeded", None)
    assert job["progress"]["done"] == job["progress"]["total"] > 0
    made = client.get(f"/api/v1/assets/{job['output_asset_id']}").json()
    assert (made["width"], made["height"], made["media_type"]) == (192, 128, "image/jpeg")
    assert made["lineage"]["parent_id"] == asset_id
    assert made["lineage"]["job_id"] == job["id"]
    assert made["lineage"]["compute_s"] == job["compute_s"] > 0
    whole = Image.open(io.BytesIO(client.get(made["renditions"]["original"]["url"]).content)).convert("RGB")
    assert np.asarray(whole)[20, 96, 0] > 150 > np.asarray(whole)[20, 96, 2]
    with tenancy.acting(workspace_id=studio.workspace.id):
        charge = Charge.objects.get(job_id=ids.parse("job", job["id"]))
        kinds = list(Event.objects.filter(resource=job["id"]).order_by("sequence").values_list("kind", flat=True))
    assert charge.compute_us == round(job["compute_s"] * 1e6)
    assert kinds == ["job.submitted", "job.succeeded"]


def test_transparent_picture_keeps_its_alpha(studio: Studio, api: Api) -> None:
    """The network sees the colours; the alpha is scaled beside it, and the result is WebP."""
    client = api(studio.ada)
    image = photo(64, 48, mode="RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    job = ended(client, submit(client, studio, picture(client, studio, image, "PNG")).json()["id"])
    made = client.get(f"/api/v1/assets/{job['output_asset_id']}").json()
    whole = Image.open(io.BytesIO(client.get(made["renditions"]["original"]["url"]).content))
    assert (made["media_type"], whole.mode, whole.size) == ("image/webp", "RGBA", (128, 96))


def test_the_same_key_is_the_same_job(studio: Studio, api: Api) -> None:
    """A client that lost the answer repeats its request and gets the job it made; another body is refused."""
    client = api(studio.ada)
    asset_id = picture(client, studio)
    key = uuid.uuid4().hex
    first, second = (submit(client, studio, asset_id, key=key) for _ in range(2))
    other = submit(client, studio, asset_id, key=key, parameters={})
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json()["id"] == second.json()["id"]
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    listed = client.get(f"/api/v1/projects/{studio.project_id}/jobs").json()["items"]
    assert [job["id"] for job in listed] == [first.json()["id"]]
    assert submit(api(studio.bo), studio, asset_id, key=key).json()["id"] != first.json()["id"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"task": "paint"}, 422, "unknown_task"),
        ({"parameters": {"scale": 3}}, 422, "invalid_parameters"),
        ({"parameters": {"scale": 2, "style": "loud"}}, 422, "invalid_parameters"),
        ({"input_asset_id": ids.show("ast", uuid.uuid4())}, 404, "not_found"),
        ({"document_id": ids.show("doc", uuid.uuid4())}, 404, "not_found"),
        ({"element_id": "a\x00b"}, 422, "invalid_input"),
        ({"surprise": 1}, 422, "invalid_input"),
        ({"start_by": "soon"}, 422, "invalid_input"),
        ({"start_by": "2035-01-01T00:00:00"}, 422, "invalid_input"),
        ({"run_timeout_s": 0}, 422, "invalid_input"),
        ({"lane": "fast"}, 422, "invalid_input"),
    ],
)
def test_refused_requests(studio: Studio, api: Api, body: dict[str, Any], status: int, code: str) -> None:
    """What is wrong is said before anything is queued."""
    client = api(studio.ada)
    answer = submit(client, studio, picture(client, studio), **body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert client.get(f"/api/v1/projects/{studio.project_id}/jobs").json()["items"] == []


@pytest.mark.parametrize("thresholds", [{"low_threshold": 150, "high_threshold": 149}, {"low_threshold": 201}])
def test_thresholds_that_cross(studio: Studio, api: Api, thresholds: dict[str, int]) -> None:
    """Two parameters that are each in range, but not together: told at one of them, in words, and nothing is queued."""
    client = api(studio.ada)
    answer = submit(client, studio, picture(client, studio), task="canny", parameters=thresholds)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_parameters")
    [fault] = answer.json()["fields"]
    assert fault["field"] == "parameters.high_threshold"
    assert "can't be less than the low one" in fault["detail"]
    assert client.get(f"/api/v1/projects/{studio.project_id}/jobs").json()["items"] == []


def test_body_that_is_not_json(studio: Studio, api: Api) -> None:
    """A stable code and a sentence, not a stack trace."""
    path = f"/api/v1/projects/{studio.project_id}/jobs"
    answer = api(studio.ada).post(path, "{not json", content_type="application/json")
    assert (answer.status_code, answer["Content-Type"]) == (422, "application/problem+json")


def test_strangers_see_nothing(studio: Studio, other_studio: Studio, api: Api) -> None:
    """Another tenant's job, asset and project answer as if they were not there."""
    client, stranger = api(studio.ada), api(other_studio.ada)
    asset_id = picture(client, studio)
    job = submit(client, studio, asset_id).json()
    assert stranger.get(f"/api/v1/jobs/{job['id']}").status_code == 404
    assert stranger.post(f"/api/v1/jobs/{job['id']}/cancel").status_code == 404
    assert submit(stranger, studio, asset_id).status_code == 404
    assert submit(stranger, other_studio, asset_id).status_code == 404
    with tenancy.acting(workspace_id=other_studio.workspace.id):
        assert not Job.objects.filter(pk=ids.parse("job", job["id"])).exists()


def test_running_job_is_cancelled_within_a_second(studio: Studio, api: Api) -> None:
    """The answer says so at once; nothing of the job is left in the project or the store, and the ledger has at most
    what was used."""
    client = api(studio.ada)
    asset_id = picture(client, studio, photo(1600, 1200))
    before = keys_of(studio)
    job = submit(client, studio, asset_id).json()
    running = reached(client, job["id"], {"running"})
    began = time.monotonic()
    cancelled = client.post(f"/api/v1/jobs/{job['id']}/cancel").json()
    took_s = time.monotonic() - began
    again = client.post(f"/api/v1/jobs/{job['id']}/cancel")
    assert (running["state"], cancelled["state"], again.json()["state"]) == ("running", "cancelled", "cancelled")
    assert took_s < 1.0
    time.sleep(2)
    assert keys_of(studio) == before
    assert [a["id"] for a in client.get(f"/api/v1/projects/{studio.project_id}/assets").json()["items"]] == [asset_id]
    with tenancy.acting(workspace_id=studio.workspace.id):
        charged = list(Charge.objects.filter(job_id=ids.parse("job", job["id"])).values_list("compute_us", flat=True))
    whole_us = job["estimate_s"] * 1e6
    assert len(charged) <= 1
    assert sum(charged) < whole_us
    after = ended(client, submit(client, studio, picture(client, studio)).json()["id"], within_s=20)
    assert after["state"] == "succeeded"


def test_job_whose_time_is_over_expires(studio: Studio, api: Api) -> None:
    """At once, and says so."""
    client = api(studio.ada)
    job = submit(client, studio, picture(client, studio), start_by="2020-01-01T00:00:00Z").json()
    assert ended(client, job["id"], within_s=20)["state"] == "expired"


def test_job_fails_when_its_time_is_over(studio: Studio, api: Api) -> None:
    """`run_timeout_s` is the asker's word: what takes longer is not tried again."""
    client = api(studio.ada)
    asset_id = picture(client, studio, photo(4000, 4000))
    job = submit(client, studio, asset_id, run_timeout_s=1, lane="batch").json()
    shown = ended(client, job["id"])
    assert (shown["state"], shown["error"]["code"]) == ("failed", "inference_timeout")
    assert (shown["lane"], shown["run_timeout_s"]) == ("batch", 1)


def test_job_says_by_when_it_is_to_start(studio: Studio, api: Api) -> None:
    client = api(studio.ada)
    later = "2035-01-01T00:00:00Z"
    job = submit(client, studio, picture(client, studio), start_by=later).json()
    assert job["start_by"] == later
    assert ended(client, job["id"])["state"] == "succeeded"


def test_only_ones_own_jobs_are_cancelled(studio: Studio, api: Api) -> None:
    """An editor can't cancel a colleague's job; who manages the workspace can; an ended one answers 409."""
    ada, bo = api(studio.ada), api(studio.bo)
    big = picture(ada, studio, photo(1600, 1200))
    hers, his = submit(ada, studio, big).json(), submit(bo, studio, big).json()
    refused = bo.post(f"/api/v1/jobs/{hers['id']}/cancel")
    assert (refused.status_code, refused.json()["code"]) == (403, "not_your_job")
    assert [ada.post(f"/api/v1/jobs/{job['id']}/cancel").json()["state"] for job in (hers, his)] == ["cancelled"] * 2
    done = ended(ada, submit(ada, studio, picture(ada, studio)).json()["id"])
    late = ada.post(f"/api/v1/jobs/{done['id']}/cancel")
    assert (late.status_code, late.json()["code"]) == (409, "job_has_ended")


def board_with_image(studio: Studio, asset_id: str) -> None:
    element = {
        "id": "one",
        "type": "image",
        "x": 0,
        "y": 0,
        "width": 96,
        "height": 64,
        "fileId": asset_id,
        "index": "a0",
    }
    with tenancy.acting(workspace_id=studio.workspace.id):
        edits.apply(
            studio.board.id,
            [edits.SetEntry("elements", "one", element)],
            workspace_id=studio.workspace.id,
            author="test",
            on_behalf_of=studio.ada.id,
        )


def elements_of(studio: Studio) -> dict[str, Any]:
    with tenancy.acting(workspace_id=studio.workspace.id):
        return edits.read(studio.board.id, "elements")


def test_result_is_placed_on_the_board_and_undone(studio: Studio, api: Api) -> None:
    """Beside the original, by the model on behalf of Ada; only her undo takes it away, once."""
    client = api(studio.ada)
    asset_id = picture(client, studio)
    board_with_image(studio, asset_id)
    asked = submit(client, studio, asset_id, document_id=studio.board_id, element_id="one").json()
    job = ended(client, asked["id"])
    placed = next(element for key, element in elements_of(studio).items() if key != "one")
    assert (placed["fileId"], placed["x"], placed["y"]) == (job["output_asset_id"], 136, 0)
    assert placed["customData"]["jobId"] == job["id"]
    path = f"/api/v1/documents/{studio.board_id}/edits/{job['edit_id']}/undo"
    assert api(studio.bo).post(path).status_code == 403
    assert [client.post(path).json() for _ in range(2)] == [{"undone": True}, {"undone": False}]
    assert set(elements_of(studio)) == {"one"}
    with tenancy.acting(workspace_id=studio.workspace.id):
        assert Event.objects.filter(kind="edit.undone", resource=studio.board_id).count() == 1


def test_asset_is_kept_where_the_original_is_gone(studio: Studio, api: Api) -> None:
    """If the element was deleted meanwhile the result is in the project all the same."""
    client = api(studio.ada)
    asset_id = picture(client, studio)
    asked = submit(client, studio, asset_id, document_id=studio.board_id, element_id="deleted").json()
    job = ended(client, asked["id"])
    assert (job["state"], job["edit_id"]) == ("succeeded", None)
    assert job["output_asset_id"] is not None


def test_unknown_edit_and_foreign_document(studio: Studio, other_studio: Studio, api: Api) -> None:
    """Neither tells a stranger anything."""
    edit = ids.show("edt", uuid.uuid4())
    mine = api(studio.ada).post(f"/api/v1/documents/{studio.board_id}/edits/{edit}/undo")
    foreign = api(other_studio.ada).post(f"/api/v1/documents/{studio.board_id}/edits/{edit}/undo")
    assert (mine.status_code, foreign.status_code) == (404, 404)


def test_tasks_are_listed_with_their_contract(studio: Studio, api: Api) -> None:
    """A client can build the form from what it reads."""
    tasks = api(studio.ada).get("/api/v1/tasks").json()["items"]
    assert "enhance" in [task["name"] for task in tasks]
    assert "scale" in tasks[0]["parameters_schema"]["properties"]


@contextmanager
def following(client: httpx.Client, studio: Studio) -> Iterator[Iterator[tuple[str, Any]]]:
    """The project's events as (kind, data), once the server has said that it listens."""
    with client.stream("GET", f"/api/v1/projects/{studio.project_id}/events", timeout=60) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = response.iter_lines()
        while next(lines) != ": you are following":
            pass

        def read() -> Iterator[tuple[str, Any]]:
            kind = ""
            for line in lines:
                name, _, value = line.partition(": ")
                kind = value if name == "event" else kind
                if name == "data":
                    yield kind, json.loads(value)

        yield read()


def test_stream_tells_what_happens(studio: Studio, api: Api, live_api: LiveApi) -> None:
    """Bo sees Ada's photo arrive, her job queued and running with progress, and its result."""
    client = api(studio.ada)
    with following(live_api(studio.bo), studio) as events:
        asset_id = picture(client, studio, photo(300, 200))
        job = submit(client, studio, asset_id).json()
        seen = []
        for kind, data in events:
            seen.append((kind, data))
            if kind == "job" and data["state"] == "succeeded":
                break
    jobs = [data for kind, data in seen if kind == "job"]
    assert {data["id"] for kind, data in seen if kind == "asset"} == {asset_id, jobs[-1]["output_asset_id"]}
    assert {data["id"] for data in jobs} == {job["id"]}
    assert [state for state in ("queued", "running", "succeeded") if state in {data["state"] for data in jobs}] == [
        "queued",
        "running",
        "succeeded",
    ]
    running = [data["progress"]["done"] for data in jobs if data["state"] == "running"]
    assert running == sorted(running)


def test_stream_is_refused_to_strangers(studio: Studio, other_studio: Studio, live_api: LiveApi, stack: Stack) -> None:
    """Before a byte of it is sent."""
    path = f"/api/v1/projects/{studio.project_id}/events"
    assert live_api(other_studio.ada).get(path).status_code == 404
    assert httpx.get(f"{stack.base_url}{path}").status_code == 401


@pytest.mark.parametrize(
    ("tell", "within_s"),
    [(tell_access_changed, 1.0), (lambda *_args, **_options: None, 4.0)],
    ids=["told", "found out"],
)
def test_stream_ends_when_access_does(
    studio: Studio, live_api: LiveApi, tell: Callable[..., None], within_s: float
) -> None:
    """Within a second when the removal is told, within its next look when nobody tells it."""
    with following(live_api(studio.bo), studio) as events:
        with tenancy.acting(workspace_id=studio.workspace.id):
            Member.objects.filter(workspace=studio.workspace, person=studio.bo).delete()
            began = time.monotonic()
            tell(studio.workspace.id, person_id=studio.bo.id)
        assert [kind for kind, _data in events] == ["closed"]
    assert time.monotonic() - began < within_s


def test_store_keeps_only_what_assets_are_made_of(studio: Studio, api: Api) -> None:
    """After a job each object of the workspace belongs to an asset or is a rendition of one."""
    client = api(studio.ada)
    ended(client, submit(client, studio, picture(client, studio)).json()["id"])
    listed = client.get(f"/api/v1/projects/{studio.project_id}/assets").json()["items"]
    kept = {storage.content_key(studio.workspace.id, asset["sha256"]) for asset in listed}
    assert {key.split(".")[0] for key in keys_of(studio)} == kept
