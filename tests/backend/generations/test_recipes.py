"""Recipes run by the live worker on the real Triton: one job of several steps, and what lies between them is kept."""

import io
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from django.conf import settings as django_settings
from django.test import Client
from django.utils import timezone
from PIL import Image

from backend.assets import results
from backend.assets.models import Asset
from backend.core import ids, live, storage, tenancy
from backend.generations import claiming, intermediates, making, running
from backend.generations.models import Charge, Intermediate, Job
from backend.generations.turns import turns
from inference import client as triton
from inference.gate import InOrder
from inference.registry import TASKS
from tests.backend.api.test_jobs import board_with_image, elements_of, ended, picture
from tests.backend.assets.test_pictures import photo
from tests.backend.generations.test_running import FAR, fresh, take
from tests.conftest import Studio

Api = Callable[[Any], Client]
STEPS = [
    {"task": "denoise", "parameters": {"strength": 15.0}},
    {"task": "enhance", "parameters": {"scale": 2}},
    {"task": "canny", "parameters": {"lines": "black"}},
]


def recipe(client: Client, studio: Studio, *steps: dict[str, Any], name: str = "Poster") -> dict[str, Any]:
    path = f"/api/v1/workspaces/{studio.workspace_id}/recipes"
    made = client.post(path, {"name": name, "steps": list(steps or STEPS)}, content_type="application/json")
    assert made.status_code == 201, made.content
    shown: dict[str, Any] = made.json()
    return shown


def run(client: Client, made: dict[str, Any], asset_id: str, **fields: Any) -> dict[str, Any]:
    body = {"input_asset_id": asset_id, **fields}
    accepted = client.post(f"/api/v1/recipes/{made['id']}/run", body, content_type="application/json")
    assert accepted.status_code == 202, accepted.content
    shown: dict[str, Any] = accepted.json()
    return shown


def lineage(client: Client, job: dict[str, Any]) -> dict[str, Any]:
    assert (job["state"], job["error"]) == ("succeeded", None)
    shown: dict[str, Any] = client.get(f"/api/v1/assets/{job['output_asset_id']}").json()
    found: dict[str, Any] = shown["lineage"]
    return found


def charged(studio: Studio, job: dict[str, Any]) -> dict[int, str]:
    """The task of each step that was charged."""
    with tenancy.acting(workspace_id=studio.workspace.id):
        return dict(Charge.objects.filter(job_id=ids.parse("job", job["id"])).values_list("step", "task"))


def kept(studio: Studio) -> list[str]:
    """The pictures in the store that lie between steps."""
    return storage.keys_under(f"{studio.workspace.id}/intermediates/")


def test_one_job_runs_all_steps(studio: Studio, api: Api) -> None:
    """Its result is what the tasks make one after another, of pixels; lineage and ledger name each step."""
    client = api(studio.ada)
    image = photo(300, 200)
    asset_id = picture(client, studio, image, "PNG")
    job = run(client, recipe(client, studio), asset_id)
    assert (job["task"], job["recipe"]["name"], job["recipe"]["version"]) == ("recipe", "Poster", 1)
    job = ended(client, job["id"])
    made = lineage(client, job)
    assert [(step["task"], step["kept"]) for step in made["steps"]] == [
        ("denoise", False),
        ("enhance", False),
        ("canny", False),
    ]
    assert made["compute_s"] == job["compute_s"] == pytest.approx(sum(step["compute_s"] for step in made["steps"]))
    assert charged(studio, job) == {1: "denoise", 2: "enhance", 3: "canny"}
    ledger = client.get(f"/api/v1/workspaces/{studio.workspace_id}/charges").json()["items"]
    assert {row["step"]: row["task"] for row in ledger} == charged(studio, job)
    assert job["progress"]["step"] == 3
    assert job["progress"]["done"] == job["progress"]["total"] > 1
    asset = client.get(f"/api/v1/assets/{job['output_asset_id']}").json()
    assert asset["name"].endswith(" · Poster.jpg")
    assert (asset["width"], asset["height"]) == (600, 400)
    assert asset["sha256"] == results.encode(by_hand(np.asarray(image.convert("RGB"))), None).sha256


def by_hand(pixels: Any) -> Any:
    for step in STEPS:
        parameters: Any = step["parameters"]
        made = triton.run(
            str(step["task"]),
            pixels,
            TASKS[str(step["task"])].parameters.model_validate(parameters),
            on_progress=lambda _: None,
            cancelled=lambda: False,
            timeout_s=60,
            turn=InOrder(),
        )
        pixels = made.picture
    return pixels


def test_a_change_at_the_end_runs_the_end_alone(studio: Studio, api: Api) -> None:
    """Estimated, charged and said so; and it makes what all steps make when nothing is kept, byte by byte."""
    client = api(studio.ada)
    asset_id = picture(client, studio, photo(300, 200))
    made = recipe(client, studio)
    first = ended(client, run(client, made, asset_id)["id"])
    assert len(kept(studio)) == 2
    steps = [*STEPS[:2], {"task": "canny", "parameters": {"lines": "white"}}]
    address, any_version = f"/api/v1/recipes/{made['id']}", {"If-Match": "*"}
    changed = client.patch(address, {"steps": steps}, content_type="application/json", headers=any_version)
    assert (changed.status_code, changed.json()["version"]) == (200, 2)
    second = run(client, made, asset_id)
    assert second["recipe"]["version"] == 2
    assert second["estimate_s"] < first["estimate_s"] / 5
    second = ended(client, second["id"])
    assert [step["kept"] for step in lineage(client, second)["steps"]] == [True, True, False]
    assert charged(studio, second) == {3: "canny"}
    assert second["compute_s"] < first["compute_s"]
    again = client.post(f"/api/v1/jobs/{second['id']}/run-again", content_type="application/json").json()
    again = ended(client, again["id"])
    assert (again["comparison"]["identical"], again["comparison"]["same_model"]) == (True, True)
    assert charged(studio, again) == {1: "denoise", 2: "enhance", 3: "canny"}


def test_a_change_in_the_middle_runs_from_there(studio: Studio, api: Api) -> None:
    client = api(studio.ada)
    asset_id = picture(client, studio)
    ended(client, run(client, recipe(client, studio), asset_id)["id"])
    other = recipe(client, studio, STEPS[0], {"task": "edges"}, STEPS[2])
    job = ended(client, run(client, other, asset_id)["id"])
    assert [step["kept"] for step in lineage(client, job)["steps"]] == [True, False, False]


def test_nothing_is_taken_from_another_workspace(studio: Studio, other_studio: Studio, api: Api) -> None:
    """The same picture by the same steps: it is computed there too."""
    ada, eve = api(studio.ada), api(other_studio.ada)
    ended(ada, run(ada, recipe(ada, studio), picture(ada, studio))["id"])
    job = ended(eve, run(eve, recipe(eve, other_studio), picture(eve, other_studio))["id"])
    assert [step["kept"] for step in lineage(eve, job)["steps"]] == [False, False, False]


def test_what_is_lost_is_computed_again(studio: Studio, api: Api) -> None:
    """One picture's object is gone, another's is damaged: the job does not fail, and both are there afterwards."""
    client = api(studio.ada)
    asset_id, made = picture(client, studio), recipe(client, studio)
    ended(client, run(client, made, asset_id)["id"])
    gone, damaged = kept(studio)
    storage.delete(gone)
    storage.put(damaged, b"no picture", media_type="image/png")
    job = ended(client, run(client, made, asset_id)["id"])
    assert [step["kept"] for step in lineage(client, job)["steps"]] == [False, False, False]
    assert kept(studio) == [gone, damaged]
    job = ended(client, run(client, made, asset_id)["id"])
    assert [step["kept"] for step in lineage(client, job)["steps"]] == [True, True, False]


def test_progress_goes_through_the_steps(studio: Studio, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tile by tile, never back, and a cancel in the second step charges what both used, and leaves nothing else."""
    client = api(studio.ada)
    job = held(client, studio, picture(client, studio, photo(700, 300)))
    told: list[tuple[int, int, int]] = []

    def note(topic: str, kind: str, shown: dict[str, Any]) -> None:
        progress = shown["progress"]
        told.append((progress["step"], progress["done"], progress["total"]))
        if progress["step"] == 2 and progress["done"] > 4:
            client.post(f"/api/v1/jobs/{shown['id']}/cancel")

    monkeypatch.setattr(live, "publish_now", note)
    monkeypatch.setattr(making, "_TELL_EVERY_S", 0.0)
    running.run(take(job))
    steps, done, totals = zip(*told, strict=True)
    assert list(steps) == sorted(steps)
    assert list(done) == sorted(done)
    assert len(set(totals)) == 1
    assert {1, 2} <= set(steps) <= {1, 2, 3}
    cancelled = fresh(job)
    shown = {"id": ids.show("job", job.id)}
    assert cancelled.state == "cancelled"
    assert charged(studio, shown) == {1: "denoise", 2: "enhance"}
    with tenancy.acting(workspace_id=studio.workspace.id):
        assert not Asset.objects.filter(lineage__job_id=job.id).exists()


def held(client: Client, studio: Studio, asset_id: str) -> Job:
    """A recipe's job that nobody claims but the test."""
    made = recipe(client, studio)
    written = [{**step, "task_version": "1"} for step in STEPS]
    with tenancy.acting(workspace_id=studio.workspace.id):
        return Job.objects.create(
            id=ids.new_id(),
            workspace=studio.workspace,
            project=studio.project,
            person=studio.ada,
            task="recipe",
            task_version="",
            parameters={},
            recipe={"id": str(ids.parse("rcp", made["id"])), "version": 1, "name": "Poster", "steps": written},
            input_asset_id=ids.parse("ast", asset_id),
            traceparent="",
            estimate_us=5_000_000,
            not_before=timezone.now() + FAR,
        )


def test_another_attempt_goes_on_from_the_step_that_was_done(studio: Studio, api: Api) -> None:
    """A worker that died in the second step: the first is not computed again."""
    client = api(studio.ada)
    job = held(client, studio, picture(client, studio))
    lease = claiming.Lease(take(job))
    loaded, source = running._load(lease.claim)
    pixels, _ = running._read(source)
    work = making._Work(loaded, lease, source, pixels)
    with turns.of(lease.claim) as turn:
        result = work.run(pixels, turn, number=1)
        work.keep(result.picture, [making._said(work.chain[0], result)])
    running.run(take(job))
    with tenancy.acting(workspace_id=studio.workspace.id):
        steps = Asset.objects.get(lineage__job_id=job.id).lineage.steps
    assert [step["kept"] for step in steps or ()] == [True, False, False]


def test_the_sweeper_deletes_what_nobody_needs(studio: Studio, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was not used for long, what there is no room for, and what was made from a picture that is gone."""
    client = api(studio.ada)
    ids_of = [picture(client, studio, photo(96 + more, 64)) for more in range(3)]
    made = recipe(client, studio, STEPS[0], STEPS[2])
    jobs = [ended(client, run(client, made, asset_id)["id"]) for asset_id in ids_of]
    assert len(kept(studio)) == 3
    intermediates.sweep()
    assert len(kept(studio)) == 3
    with tenancy.acting(workspace_id=studio.workspace.id):
        rows = list(Intermediate.objects.order_by("used_at"))
        Intermediate.objects.filter(pk=rows[0].pk).update(used_at=timezone.now() - 8 * (FAR / 3650))
    intermediates.sweep()
    assert kept(studio) == sorted(storage.intermediate_key(studio.workspace.id, row.content) for row in rows[1:])
    with tenancy.acting(workspace_id=studio.workspace.id):
        Asset.objects.filter(lineage__job_id=ids.parse("job", jobs[1]["id"])).delete()
        Job.objects.filter(pk=ids.parse("job", jobs[1]["id"])).update(input_asset=None)
        Asset.objects.filter(pk=ids.parse("ast", ids_of[1])).delete()
    intermediates.sweep()
    assert kept(studio) == [storage.intermediate_key(studio.workspace.id, rows[2].content)]
    monkeypatch.setattr(django_settings, "RECIPE_CACHE_MB", 0)
    intermediates.sweep()
    assert kept(studio) == []
    with tenancy.acting(workspace_id=studio.workspace.id):
        assert not Intermediate.objects.exists()


def test_jobs_go_on_when_their_recipe_is_gone(studio: Studio, api: Api) -> None:
    client = api(studio.ada)
    made = recipe(client, studio)
    job = run(client, made, picture(client, studio))
    assert client.delete(f"/api/v1/recipes/{made['id']}", headers={"If-Match": "*"}).status_code == 204
    assert client.get(f"/api/v1/recipes/{made['id']}").status_code == 404
    assert lineage(client, ended(client, job["id"]))["task"] == "recipe"


def test_many_pictures_at_once(studio: Studio, api: Api) -> None:
    """As a batch: each is a job of its own."""
    client = api(studio.ada)
    ids_of = [picture(client, studio, photo(64 + more, 48)) for more in range(3)]
    made = recipe(client, studio)
    body = {"project_id": studio.project_id, "input_asset_ids": ids_of}
    accepted = client.post(f"/api/v1/recipes/{made['id']}/run-batch", body, content_type="application/json")
    assert accepted.status_code == 202
    batch = accepted.json()
    assert (batch["jobs"], batch["recipe"]["id"]) == (3, made["id"])
    deadline = time.monotonic() + 60
    while not batch["ended"] and time.monotonic() < deadline:
        time.sleep(0.1)
        batch = client.get(f"/api/v1/batches/{batch['id']}").json()
    assert batch["states"]["succeeded"] == 3


def test_a_transparent_picture_keeps_its_alpha(studio: Studio, api: Api) -> None:
    """Also where all but the last step were kept."""
    client = api(studio.ada)
    image = photo(64, 48, mode="RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    asset_id, made = picture(client, studio, image, "PNG"), recipe(client, studio)
    for _ in range(2):
        job = ended(client, run(client, made, asset_id)["id"])
        asset = client.get(f"/api/v1/assets/{job['output_asset_id']}").json()
        whole = Image.open(io.BytesIO(client.get(asset["renditions"]["original"]["url"]).content))
        assert (whole.mode, whole.size) == ("RGBA", (128, 96))


def test_a_result_is_placed_on_the_board(studio: Studio, api: Api) -> None:
    """By the model of its last step."""
    client = api(studio.ada)
    asset_id = picture(client, studio)
    board_with_image(studio, asset_id)
    job = run(client, recipe(client, studio), asset_id, document_id=studio.board_id)
    job = ended(client, job["id"])
    assert job["edit_id"] is not None
    assert job["output_asset_id"] in {element.get("fileId") for element in elements_of(studio).values()}
