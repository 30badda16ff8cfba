"""Uploads in two steps on the real store: what is taken, what is refused and how, and that repeating harms nothing."""

import hashlib
import io
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import numpy as np
import pytest
from django.test import Client
from django.utils import timezone
from PIL import Image

from backend.assets import services
from backend.assets.models import Asset, Upload
from backend.core import ids, storage, tenancy
from backend.core.models import Event
from tests.backend.assets.test_pictures import bomb, photo, saved
from tests.conftest import Studio

Api = Callable[[Any], Client]

JPEG = saved(photo(), "JPEG")


def announce(
    client: Client,
    project_id: str,
    data: bytes,
    *,
    filename: str = "photo.jpg",
    media_type: str = "image/jpeg",
    **changes: Any,
) -> Any:
    body = {
        "filename": filename,
        "size_bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "media_type": media_type,
        **changes,
    }
    return client.post(f"/api/v1/projects/{project_id}/uploads", body, content_type="application/json")


def send(started: dict[str, Any], data: bytes) -> httpx.Response:
    return httpx.put(started["url"], content=data, headers=started["headers"])


def finish(client: Client, upload_id: str) -> Any:
    return client.post(f"/api/v1/uploads/{upload_id}/finish")


def upload(client: Client, project_id: str, data: bytes, **announced: Any) -> Any:
    started = announce(client, project_id, data, **announced).json()
    assert send(started, data).status_code == 200
    return finish(client, started["id"])


def keys_of(studio: Studio) -> list[str]:
    return storage.keys_under(f"{studio.workspace.id}/")


def test_photo_becomes_an_asset_with_renditions(studio: Studio, api: Api) -> None:
    """Its facts come from its content, its renditions can be fetched, and the other member sees it."""
    answer = upload(api(studio.ada), studio.project_id, JPEG, filename="Fish stall.jpg")
    asset = answer.json()
    assert answer.status_code == 200
    assert (asset["name"], asset["media_type"], asset["width"], asset["height"]) == (
        "Fish stall.jpg",
        "image/jpeg",
        320,
        200,
    )
    assert (asset["sha256"], asset["size_bytes"]) == (hashlib.sha256(JPEG).hexdigest(), len(JPEG))
    assert (asset["state"], asset["lineage"], asset["created_by"]) == ("ready", None, studio.ada_id)
    fetched = {name: api(studio.bo).get(shown["url"]) for name, shown in asset["renditions"].items()}
    assert {name: got.status_code for name, got in fetched.items()} == {"original": 200, "web": 200, "thumbnail": 200}
    assert fetched["original"].content == JPEG
    assert fetched["thumbnail"].headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(fetched["thumbnail"].content)).size == (256, 160)
    listed = api(studio.bo).get(f"/api/v1/projects/{studio.project_id}/assets").json()
    assert [item["id"] for item in listed["items"]] == [asset["id"]]
    assert api(studio.bo).get(f"/api/v1/assets/{asset['id']}").json()["sha256"] == asset["sha256"]


def test_new_asset_is_an_event(studio: Studio, api: Api) -> None:
    """What the recommender follows: the project, the asset and who added it."""
    asset = upload(api(studio.ada), studio.project_id, JPEG).json()
    with tenancy.acting(workspace_id=studio.workspace.id):
        event = Event.objects.get(kind="asset.ready", resource=asset["id"])
    assert (event.person_id, event.data["project_id"], event.data["asset_id"]) == (
        studio.ada.id,
        studio.project_id,
        asset["id"],
    )


def test_nothing_stays_under_uploads(studio: Studio, api: Api) -> None:
    """After a finish the store holds the content and its renditions, and no copy under the upload's key."""
    asset = upload(api(studio.ada), studio.project_id, JPEG).json()
    content = f"{studio.workspace.id}/{asset['sha256']}"
    assert keys_of(studio) == [content, f"{content}.thumbnail"]


def test_repeated_finish_answers_with_the_same_asset(studio: Studio, api: Api) -> None:
    """A client that lost the answer asks again, also at once from several threads, and one asset is there."""
    started = announce(api(studio.ada), studio.project_id, JPEG).json()
    send(started, JPEG)
    clients = [api(studio.ada) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda client: finish(client, started["id"]), clients))
    answers.append(finish(clients[0], started["id"]))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["id"] for answer in answers}) == 1
    with tenancy.acting(workspace_id=studio.workspace.id):
        assert Asset.objects.filter(project=studio.project).count() == 1


def test_the_same_bytes_twice_are_two_assets_of_one_content(studio: Studio, api: Api) -> None:
    """Two people may keep the same photo; its bytes are stored once."""
    first = upload(api(studio.ada), studio.project_id, JPEG).json()
    second = upload(api(studio.bo), studio.project_id, JPEG).json()
    assert first["id"] != second["id"]
    assert len(keys_of(studio)) == 2


@pytest.mark.parametrize(
    ("data", "filename", "status", "code"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "photo.jpg", 415, "unsupported_picture"),
        (saved(photo(64, 64), "GIF"), "photo.jpg", 415, "unsupported_picture"),
        (b"MZ\x90\x00" + bytes(500), "holiday.jpg", 415, "unsupported_picture"),
        (JPEG[: len(JPEG) // 2], "photo.jpg", 422, "picture_broken"),
        (JPEG[:60], "photo.jpg", 422, "picture_broken"),
        (bomb(60_000, 60_000), "photo.png", 413, "too_many_pixels"),
    ],
    ids=["svg", "gif", "program", "truncated", "header only", "bomb"],
)
def test_refused_content(studio: Studio, api: Api, data: bytes, filename: str, status: int, code: str) -> None:
    """The right status, a stable code, a sentence; nothing is left, and asking again answers the same."""
    client = api(studio.ada)
    started = announce(client, studio.project_id, data, filename=filename).json()
    send(started, data)
    answers = [finish(client, started["id"]) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [status, status]
    assert [answer.json()["code"] for answer in answers] == [code, code]
    assert answers[0]["Content-Type"] == "application/problem+json"
    assert len(answers[0].json()["detail"]) > 20
    assert keys_of(studio) == []
    assert client.get(f"/api/v1/projects/{studio.project_id}/assets").json()["items"] == []


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"size_bytes": 0}, 422, "upload_empty"),
        ({"size_bytes": 200 * 1024 * 1024 + 1}, 413, "upload_too_large"),
        ({"media_type": "image/svg+xml"}, 415, "unsupported_picture"),
        ({"sha256": "abc"}, 422, "invalid_input"),
        ({"size_bytes": -1}, 422, "invalid_input"),
        ({"filename": ""}, 422, "invalid_input"),
        ({"filename": "a\x00b.jpg"}, 422, "invalid_input"),
        ({"surprise": 1}, 422, "invalid_input"),
    ],
)
def test_refused_announcements(studio: Studio, api: Api, changes: dict[str, Any], status: int, code: str) -> None:
    """What is wrong already in the announcement is refused before a byte is sent."""
    answer = announce(api(studio.ada), studio.project_id, JPEG, **changes)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_content_wins_over_name_and_declared_type(studio: Studio, api: Api) -> None:
    """A PNG that calls itself JPEG becomes a PNG asset, and is served as one."""
    data = saved(photo(), "PNG")
    asset = upload(api(studio.ada), studio.project_id, data, filename="lies.jpg", media_type="image/jpeg").json()
    assert asset["media_type"] == "image/png"
    assert api(studio.ada).get(asset["renditions"]["original"]["url"]).headers["content-type"] == "image/png"


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (saved(photo(mode="CMYK"), "JPEG"), (320, 200)),
        (saved(Image.fromarray(np.full((40, 60), 40_000, np.uint16)), "PNG"), (60, 40)),
    ],
    ids=["cmyk", "16 bit"],
)
def test_uncommon_pictures_get_common_renditions(studio: Studio, api: Api, data: bytes, size: tuple[int, int]) -> None:
    """The original stays what it was; the web rendition is 8-bit sRGB that any browser shows."""
    asset = upload(api(studio.ada), studio.project_id, data).json()
    web = api(studio.ada).get(asset["renditions"]["web"]["url"]).content
    assert (asset["width"], asset["height"]) == size
    assert (Image.open(io.BytesIO(web)).mode, Image.open(io.BytesIO(web)).size) == ("RGB", size)


def test_rotated_photo_is_measured_as_seen(studio: Studio, api: Api) -> None:
    """A phone's photo that asks to be turned is as high as people see it, and its renditions are upright."""
    exif = Image.Exif()
    exif[0x0112] = 6
    data = saved(photo(320, 200), "JPEG", exif=exif)
    asset = upload(api(studio.ada), studio.project_id, data).json()
    assert (asset["width"], asset["height"]) == (200, 320)
    assert (asset["renditions"]["thumbnail"]["width"], asset["renditions"]["thumbnail"]["height"]) == (160, 256)


def test_transparent_picture_keeps_its_alpha(studio: Studio, api: Api) -> None:
    """Renditions of a transparent PNG are WebP with alpha."""
    image = photo(mode="RGBA")
    image.putalpha(100)
    asset = upload(api(studio.ada), studio.project_id, saved(image, "PNG"), media_type="image/png").json()
    assert asset["renditions"]["web"]["media_type"] == "image/webp"
    assert Image.open(io.BytesIO(api(studio.ada).get(asset["renditions"]["web"]["url"]).content)).mode == "RGBA"


def test_the_store_takes_only_what_was_announced(studio: Studio, api: Api) -> None:
    """Other bytes, more, fewer, or another type than signed are refused by the store itself."""
    started = announce(api(studio.ada), studio.project_id, JPEG).json()
    other = JPEG[:-1] + bytes([JPEG[-1] ^ 1])
    headers = {**started["headers"], "Content-Type": "text/html"}
    assert send(started, other).status_code == 400
    assert send(started, JPEG + b"x").status_code == 403
    assert send(started, JPEG[:-1]).status_code == 403
    assert httpx.put(started["url"], content=JPEG, headers=headers).status_code == 403
    assert httpx.get(started["url"].split("?")[0]).status_code == 403


def test_finish_before_the_bytes_arrived(studio: Studio, api: Api) -> None:
    """Nothing is lost by being early: the answer says what to do, and it works afterwards."""
    client = api(studio.ada)
    started = announce(client, studio.project_id, JPEG).json()
    early = finish(client, started["id"])
    send(started, JPEG)
    assert (early.status_code, early.json()["code"]) == (409, "upload_incomplete")
    assert finish(client, started["id"]).status_code == 200


def test_bytes_that_are_not_those_announced_are_refused(studio: Studio, api: Api) -> None:
    """If a store did not enforce its signature, what came is still compared with what was announced."""
    client = api(studio.ada)
    started = announce(client, studio.project_id, JPEG).json()
    key = storage.upload_key(studio.workspace.id, ids.parse("upl", started["id"]))
    storage.put(key, saved(photo(100, 100), "JPEG"), media_type="image/jpeg")
    answer = finish(client, started["id"])
    assert (answer.status_code, answer.json()["code"]) == (422, "upload_mismatch")
    assert keys_of(studio) == []


def test_expired_upload_is_swept(studio: Studio, api: Api) -> None:
    """An upload that nobody finishes answers 410, and the sweeper deletes its bytes."""
    client = api(studio.ada)
    started = announce(client, studio.project_id, JPEG).json()
    send(started, JPEG)
    with tenancy.acting(workspace_id=studio.workspace.id):
        long_ago = timezone.now() - timedelta(days=3650)
        Upload.objects.filter(pk=ids.parse("upl", started["id"])).update(expires_at=long_ago)
    assert (finish(client, started["id"]).status_code, len(keys_of(studio))) == (410, 1)
    services.sweep_uploads()
    assert keys_of(studio) == []
    assert finish(client, started["id"]).json()["code"] == "upload_expired"


def test_strangers_and_viewers(studio: Studio, other_studio: Studio, api: Api) -> None:
    """Another tenant's ids answer as if nothing were there; a colleague's upload is not one's own to finish."""
    mine = announce(api(studio.ada), studio.project_id, JPEG).json()
    send(mine, JPEG)
    stranger = api(other_studio.ada)
    assert finish(stranger, mine["id"]).status_code == 404
    assert finish(api(studio.bo), mine["id"]).status_code == 404
    asset = finish(api(studio.ada), mine["id"]).json()
    paths = [
        f"/api/v1/assets/{asset['id']}",
        f"/api/v1/projects/{studio.project_id}/assets",
        f"/api/v1/assets/{ids.show('ast', uuid.uuid4())}",
        "/api/v1/assets/ast_nonsense",
        f"/api/v1/assets/{studio.project_id}",
    ]
    assert [stranger.get(path).json()["code"] for path in paths] == ["not_found"] * 5
    assert announce(stranger, studio.project_id, JPEG).status_code == 404
    assert api(studio.ada).get(f"/api/v1/assets/{asset['id']}").status_code == 200


def test_row_level_security_holds_under_the_queries(studio: Studio, other_studio: Studio, api: Api) -> None:
    """Also a query without any condition sees nothing of another tenant."""
    upload(api(studio.ada), studio.project_id, JPEG)
    with tenancy.acting(workspace_id=other_studio.workspace.id):
        assert not Asset.objects.filter(project=studio.project).exists()
        assert not Upload.objects.filter(project=studio.project).exists()
    with tenancy.acting():
        assert not Asset.objects.exists()


def test_pages_of_assets(studio: Studio, api: Api) -> None:
    """Newest first, each once, whatever the page's length."""
    client = api(studio.ada)
    made = [upload(client, studio.project_id, saved(photo(40 + n, 30), "JPEG")).json()["id"] for n in range(3)]
    path = f"/api/v1/projects/{studio.project_id}/assets"
    first = client.get(path, {"limit": 2}).json()
    second = client.get(path, {"limit": 2, "cursor": first["next_cursor"]}).json()
    assert [item["id"] for item in first["items"] + second["items"]] == made[::-1]
    assert second["next_cursor"] is None


def test_store_away(studio: Studio, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """503, the part named, when to try again; and nothing is decided about the upload."""
    client = api(studio.ada)
    started = announce(client, studio.project_id, JPEG).json()
    send(started, JPEG)
    storage._inside.cache_clear()
    with monkeypatch.context() as away:
        away.setattr("django.conf.settings.S3_ENDPOINT_URL", "http://127.0.0.1:9")
        answer = finish(client, started["id"])
    storage._inside.cache_clear()
    assert (answer.status_code, answer.json()["code"], answer.json()["part"]) == (503, "part_unavailable", "s3")
    assert "Retry-After" in answer
    assert finish(client, started["id"]).status_code == 200
