"""What people see of a picture while it is made: laws of the small picture, then a real job on the real Triton."""

import io
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from django.test import Client
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from backend.core import ids, live, valkey
from backend.generations import previews, running
from backend.generations.previews import SIDE_PX, Preview
from inference.models import SPAN_X2
from inference.runs import Area
from tests.backend.api.test_jobs import picture, submit
from tests.backend.assets.test_pictures import photo
from tests.backend.generations.test_running import fresh, held_job, take
from tests.conftest import Studio

Api = Callable[[Any], Client]


@settings(deadline=None)
@given(width=st.integers(1, 900), height=st.integers(1, 900), share=st.floats(0, 1), scale=st.sampled_from([1, 2]))
def test_what_is_made_is_shown_and_nothing_else(width: int, height: int, share: float, scale: int) -> None:
    """Tiles leave no gap between them, and what is not there yet is transparent; of any size, in any order."""
    areas = [Area.of(tile, scale=scale) for tile in SPAN_X2.plan(width=width, height=height)]
    whole = np.full((height * scale, width * scale, 3), 200, np.uint8)
    preview = Preview(ids.new_id())
    come = areas[: round(share * len(areas))]
    small = preview._taking(whole, come)
    assert max(small.shape[:2]) == min(SIDE_PX, max(whole.shape[:2]))
    made = np.zeros(whole.shape[:2], bool)
    for area in come:
        made[area.top : area.bottom, area.left : area.right] = True
    rows = np.linspace(0, small.shape[0] - 1, whole.shape[0]).round().astype(int)
    columns = np.linspace(0, small.shape[1] - 1, whole.shape[1]).round().astype(int)
    shown = small[rows][:, columns, 3] == 255
    assert (small[..., 3] == 0).all() or (small[small[..., 3] == 255] == 200)[:, :3].all()
    assert abs(shown.mean() - made.mean()) < 0.05
    everything = preview._taking(whole, areas)
    assert (everything[..., 3] == 255).all()


def shown_by(client: Client, address: str) -> Image.Image:
    answer = client.get(address)
    assert (answer.status_code, answer["Content-Type"]) == (200, "image/webp")
    return Image.open(io.BytesIO(answer.content)).convert("RGBA")


def test_a_picture_is_seen_as_it_is_made(studio: Studio, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """More of it each time, under another address; and nothing is left when the job has ended."""
    monkeypatch.setattr(previews, "EVERY_S", 0.0)
    client = api(studio.ada)
    job = held_job(studio, picture(client, studio, photo(900, 300)))
    seen: dict[str, int] = {}

    def look(topic: str, kind: str, shown: dict[str, Any]) -> None:
        if (url := shown["preview_url"]) and url not in seen:
            small = shown_by(client, url)
            assert small.size == (512, 171)
            seen[url] = int((np.asarray(small)[..., 3] == 255).sum())

    monkeypatch.setattr(live, "publish_now", look)
    monkeypatch.setattr("backend.generations.making._TELL_EVERY_S", 0.0)
    running.run(take(job))
    assert fresh(job).state == "succeeded"
    assert len(seen) >= 3
    assert list(seen.values()) == sorted(set(seen.values()))
    address = next(iter(seen))
    assert client.get(address).status_code == 404
    assert not valkey.client().exists(f"preview:{job.id}")
    assert client.get(f"/api/v1/jobs/{ids.show('job', job.id)}").json()["preview_url"] is None


def test_the_live_worker_shows_it(studio: Studio, other_studio: Studio, api: Api) -> None:
    """GET tells the address while a large picture is made; who may not see the job does not see its picture."""
    client = api(studio.ada)
    job = submit(client, studio, picture(client, studio, photo(1800, 1400))).json()
    deadline, url = time.monotonic() + 60, None
    while url is None and time.monotonic() < deadline:
        shown = client.get(f"/api/v1/jobs/{job['id']}").json()
        assert shown["state"] in ("queued", "running"), shown
        url = shown["preview_url"]
    assert url is not None
    assert api(other_studio.ada).get(url).status_code == 404
    small = shown_by(client, url)
    assert 0 < (np.asarray(small)[..., 3] == 255).mean() < 1
    client.post(f"/api/v1/jobs/{job['id']}/cancel")
    assert client.get(url).status_code == 404


def test_valkey_away_costs_the_preview_alone(studio: Studio, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(previews, "EVERY_S", 0.0)
    job = held_job(studio, picture(api(studio.ada), studio, photo(900, 300)))
    monkeypatch.setattr(valkey, "client", lambda: valkey.connected_to("redis://127.0.0.1:9/0"))
    running.run(take(job))
    assert (fresh(job).state, fresh(job).progress_preview) == ("succeeded", 0)
