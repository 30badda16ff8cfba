"""A job that is run again: the same bytes by the same model, near ones by another, and never a second result."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from backend.assets import pictures
from backend.core import ids, tenancy
from backend.generations import running
from backend.generations.models import Charge, Job
from tests.backend.api.test_jobs import ended, picture, submit
from tests.backend.assets.test_pictures import photo
from tests.backend.generations.test_running import fresh, held_job, take
from tests.conftest import Studio

Api = Callable[[Any], Client]


def again(client: Client, job: dict[str, Any]) -> Any:
    return client.post(f"/api/v1/jobs/{job['id']}/run-again", content_type="application/json")


@pytest.mark.parametrize("task", ["enhance", "denoise", "edges"])
def test_it_makes_the_same_bytes(studio: Studio, api: Api, task: str) -> None:
    """On the same hardware, several tiles side by side; it is charged, and leaves no second asset."""
    client = api(studio.ada)
    asset_id = picture(client, studio, photo(700, 300))
    first = ended(client, submit(client, studio, asset_id, task=task, parameters={}).json()["id"])
    accepted = again(client, first)
    assert (accepted.status_code, accepted.json()["again_of"]) == (202, first["id"])
    second = ended(client, accepted.json()["id"])
    assert (second["state"], second["error"]) == ("succeeded", None)
    assert second["comparison"] == {"identical": True, "same_model": True, "max_difference": 0, "psnr_db": None}
    assert second["output_asset_id"] is None
    assert second["compute_s"] > 0
    with tenancy.acting(workspace_id=studio.workspace.id):
        assert Charge.objects.filter(workspace=studio.workspace).count() == 2


def test_another_version_makes_another_picture(studio: Studio, api: Api) -> None:
    """How far apart they are is said; which version a job is repeated by is that of the first."""
    client = api(studio.ada)
    first = ended(client, submit(client, studio, picture(client, studio)).json()["id"])
    repeated = ids.parse("job", again(client, first).json()["id"])
    ended(client, ids.show("job", repeated))
    with tenancy.acting(workspace_id=studio.workspace.id):
        job = Job.objects.get(pk=repeated)
        assert job.model_version == 1
        job.id, job.model_version, job.state, job.finished_at, job.comparison = ids.new_id(), 2, "queued", None, None
        job.not_before = job.created_at.replace(year=job.created_at.year + 10)
        job.save(force_insert=True)
    running.run(take(job))
    comparison = fresh(job).comparison or {}
    assert (comparison["identical"], comparison["same_model"]) == (False, False)
    assert 0 < comparison["max_difference"] < 100
    assert comparison["psnr_db"] > 25


def test_what_made_nothing_can_not_be_repeated(studio: Studio, api: Api) -> None:
    """A cancelled job, and one whose input is gone."""
    client = api(studio.ada)
    asset_id = picture(client, studio)
    first = ended(client, submit(client, studio, asset_id).json()["id"])
    cancelled = {"id": ids.show("job", held_job(studio, asset_id).id)}
    assert client.post(f"/api/v1/jobs/{cancelled['id']}/cancel").json()["state"] == "cancelled"
    with tenancy.acting(workspace_id=studio.workspace.id):
        Job.objects.filter(pk=ids.parse("job", first["id"])).update(input_asset=None)
    for job in (cancelled, first):
        refused = again(client, ended(client, job["id"]))
        assert (refused.status_code, refused.json()["code"]) == (409, "not_repeatable")


@given(seed=st.integers(0, 2**32 - 1), alpha=st.booleans())
def test_differences_are_those_of_the_pixels(tmp_path_factory: pytest.TempPathFactory, seed: int, alpha: bool) -> None:
    """As numpy counts them."""
    folder, random = tmp_path_factory.mktemp("differences"), np.random.default_rng(seed)
    shape = (*random.integers(1, 40, 2), 4 if alpha else 3)
    one = random.integers(0, 256, shape, dtype=np.uint8)
    other = np.where(random.random(shape) < 0.1, random.integers(0, 256, shape), one).astype(np.uint8)
    found = pictures.difference(_saved(folder / "one.png", one), _saved(folder / "other.png", other))
    off = one.astype(int) - other
    assert found is not None
    assert found.most == np.abs(off).max()
    mean_square = float((off**2).mean())
    if mean_square:
        assert found.psnr_db == pytest.approx(10 * np.log10(255**2 / mean_square))
    else:
        assert found.psnr_db is None


def test_pictures_of_two_sizes_have_no_difference(tmp_path: Path) -> None:
    one, other = (_saved(tmp_path / f"{side}.png", np.zeros((side, 9, 3), np.uint8)) for side in (3, 4))
    assert pictures.difference(one, other) is None


def _saved(path: Path, pixels: Any) -> Path:
    Image.fromarray(pixels).save(path)
    return path
