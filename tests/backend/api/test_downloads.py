"""GET /assets/{id}/renditions/{name}: bytes for those who may read the asset at that moment, in parts and again."""

import io
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import numpy as np
import pytest
from django.test import Client
from PIL import Image

from backend.core import tenancy
from backend.embedded import children
from backend.workspaces.services import remove_member
from tests.backend.api.test_assets import JPEG, Api, upload
from tests.backend.assets.test_pictures import saved
from tests.conftest import VAR, Studio

LiveApi = Callable[[Any], httpx.Client]


def original(client: Client, studio: Studio, data: bytes = JPEG, **announced: Any) -> str:
    return str(upload(client, studio.project_id, data, **announced).json()["renditions"]["original"]["url"])


def test_the_original_is_saved_under_its_name(studio: Studio, api: Api) -> None:
    """The very bytes, their type, and a file name in any script."""
    url = original(api(studio.ada), studio, filename="夜市.jpg")
    answer = api(studio.bo).get(url)
    assert (answer.content, answer["Content-Type"]) == (JPEG, "image/jpeg")
    assert answer["Content-Disposition"] == "attachment; filename*=UTF-8''%E5%A4%9C%E5%B8%82.jpg"
    assert answer["Cache-Control"].startswith("private")


def test_what_a_client_has_is_not_sent_again(studio: Studio, api: Api) -> None:
    """If-None-Match with the ETag that came before: 304 without a body."""
    url = original(api(studio.ada), studio)
    etag = api(studio.ada).get(url)["ETag"]
    again = api(studio.ada).get(url, headers={"If-None-Match": etag})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", etag)


@pytest.mark.parametrize(
    ("asked", "status", "part"),
    [
        ("bytes=0-9", 206, slice(0, 10)),
        ("bytes=100-", 206, slice(100, None)),
        ("bytes=-7", 206, slice(-7, None)),
        ("bytes=0-1,4-5", 200, slice(None)),
        ("lines=1-2", 200, slice(None)),
    ],
)
def test_a_download_goes_on_where_it_stopped(studio: Studio, api: Api, asked: str, status: int, part: slice) -> None:
    """One range of bytes is honoured; several, or another unit, get the whole."""
    url = original(api(studio.ada), studio)
    answer = api(studio.ada).get(url, headers={"Range": asked})
    assert (answer.status_code, answer.content) == (status, JPEG[part])
    assert int(answer["Content-Length"]) == len(JPEG[part])


def test_a_range_of_other_bytes_gets_the_whole(studio: Studio, api: Api) -> None:
    """If-Range with another ETag: the client's beginning is of something else."""
    url = original(api(studio.ada), studio)
    answer = api(studio.ada).get(url, headers={"Range": "bytes=5-", "If-Range": '"other"'})
    assert (answer.status_code, answer.content) == (200, JPEG)


def test_a_range_beyond_the_end_is_refused(studio: Studio, api: Api) -> None:
    """416 with a code."""
    url = original(api(studio.ada), studio)
    answer = api(studio.ada).get(url, headers={"Range": "bytes=99999999-"})
    assert (answer.status_code, answer.json()["code"]) == (416, "range_not_satisfiable")


def test_unknown_renditions_are_not_found(studio: Studio, api: Api) -> None:
    """Names that there are not, also such as would leave the asset's place in the store."""
    url = original(api(studio.ada), studio).removesuffix("original")
    for name in ("huge", "..", "%2e%2e%2fother", "original.thumbnail"):
        answer = api(studio.ada).get(url + name)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_a_removed_member_downloads_nothing_more(studio: Studio, api: Api) -> None:
    """The address that worked a moment ago answers 404, as to any stranger."""
    url = original(api(studio.ada), studio)
    bo = api(studio.bo)
    assert bo.get(url).status_code == 200
    with tenancy.acting(workspace_id=studio.workspace.id):
        remove_member(studio.workspace, studio.bo.id, by=studio.ada.id)
    assert bo.get(url).status_code == 404


def test_a_large_file_streams(studio: Studio, api: Api, live_api: LiveApi) -> None:
    """Megabytes leave in pieces through the real server, whole and in ranges."""
    noise = np.random.default_rng().integers(0, 256, (1200, 1200, 3), dtype=np.uint8)
    data = saved(Image.fromarray(noise), "PNG")
    url = original(api(studio.ada), studio, data, filename="noise.png", media_type="image/png")
    ada = live_api(studio.ada)
    whole = ada.get(url)
    assert len(whole.content) == int(whole.headers["Content-Length"])
    assert whole.content == data
    assert Image.open(io.BytesIO(whole.content)).size == (1200, 1200)
    assert ada.get(url, headers={"Range": "bytes=1000000-3000000"}).content == data[1_000_000:3_000_001]


@pytest.mark.parametrize("known", ["W/{etag}", "*", '"other", {etag}'])
def test_each_form_of_what_a_client_has(studio: Studio, api: Api, live_api: LiveApi, known: str) -> None:
    """Weak tags, any and lists answer 304 as well, and the connection serves the next request."""
    url = original(api(studio.ada), studio)
    ada = live_api(studio.ada)
    etag = ada.get(url).headers["ETag"]
    answer = ada.get(url, headers={"If-None-Match": known.format(etag=etag)})
    assert (answer.status_code, answer.content) == (304, b"")
    assert ada.get(url).content == JPEG


def test_a_store_that_hangs_holds_up_nobody_else(studio: Studio, api: Api, live_api: LiveApi) -> None:
    """Dozens who wait for pictures keep no database connection: the rest of the studio answers at once."""
    url = original(api(studio.ada), studio)
    clients = [live_api(studio.ada) for _ in range(40)]
    store = next(process for name, process, _ in children.running(VAR) if name == "s3")
    store.suspend()
    try:
        with ThreadPoolExecutor(40) as pool:
            waiting = [pool.submit(client.get, url) for client in clients[1:]]
            time.sleep(0.5)
            began = time.monotonic()
            assert clients[0].get("/api/v1/me").status_code == 200
            took_s = time.monotonic() - began
            statuses = {future.result().status_code for future in waiting}
    finally:
        store.resume()
    assert took_s < 4
    assert statuses == {503}
    assert clients[0].get(url).status_code == 200
