"""The store's own door: what a presigned address takes, and that nothing else of the store answers to strangers."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from django.conf import settings

from backend.core import ids, storage
from tests.isolation.conftest import World
from tests.isolation.tenants import JPEG, SHA256, an_upload

HEADERS = dict[str, str]


@dataclass(frozen=True, slots=True)
class Address:
    """A presigned PUT of the owner's, and the key of an upload that is somebody else's."""

    url: str
    headers: HEADERS
    key: str
    foreign_key: str

    def at(self, key: str) -> str:
        return self.url.replace(self.key, key)


def presigned(world: World) -> Address:
    keys = []
    for tenant in (world.away, world.quiet):
        upload = ids.parse("upl", an_upload(tenant, tenant.owner))
        keys.append(storage.upload_key(tenant.workspace.id, upload))
    url, headers = storage.presign_put(keys[0], size_bytes=len(JPEG), sha256=SHA256, media_type="image/jpeg")
    return Address(url, headers, *keys)


@pytest.fixture
def address(world: World) -> Address:
    return presigned(world)


@pytest.fixture
def store() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=20) as client:
        yield client


def kept(world: World) -> list[str]:
    return storage.keys_under(f"{world.quiet.workspace.id}/")


def test_it_takes_what_was_announced(address: Address, store: httpx.Client) -> None:
    """So that the refusals below are for their own reasons."""
    assert store.put(address.url, content=JPEG, headers=address.headers).status_code == 200


@pytest.mark.parametrize(
    ("method", "changes", "headers"),
    [
        ("PUT", {"to": "foreign"}, {}),
        ("PUT", {"to": "next"}, {}),
        ("PUT", {"content": JPEG + b"x"}, {}),
        ("PUT", {"content": JPEG[:-1]}, {}),
        ("PUT", {"content": JPEG[:-1] + b"x"}, {}),
        ("PUT", {}, {"Content-Type": "text/html"}),
        ("PUT", {}, {"x-amz-checksum-sha256": "0" * 43 + "="}),
        ("PUT", {}, {"x-amz-copy-source": "foreign"}),
        ("GET", {"content": None}, {}),
        ("HEAD", {"content": None}, {}),
        ("DELETE", {"content": None}, {}),
        ("POST", {}, {}),
    ],
    ids=lambda value: str(value)[:40],
)
def test_any_other_use_is_refused(
    world: World, address: Address, store: httpx.Client, method: str, changes: dict[str, Any], headers: HEADERS
) -> None:
    """Another key, length, content, header or method than those signed; nothing of the quiet tenant moves."""
    to = {"foreign": address.foreign_key, "next": f"{address.key}x"}.get(changes.get("to", ""), address.key)
    sent = {**address.headers, **headers}
    if "x-amz-copy-source" in sent:
        sent["x-amz-copy-source"] = f"/{settings.S3_BUCKET}/{address.foreign_key}"
    before = kept(world)
    answer = store.request(method, address.at(to), content=changes.get("content", JPEG), headers=sent)
    assert 400 <= answer.status_code < 500
    assert kept(world) == before
    assert storage.exists(address.foreign_key)


def test_it_ends(world: World, store: httpx.Client, settings: Any) -> None:
    """After its time the same request is refused."""
    settings.UPLOAD_EXPIRES_S = 1
    address = presigned(world)
    time.sleep(2.1)
    assert store.put(address.url, content=JPEG, headers=address.headers).status_code == 403


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "POST"])
def test_without_a_signature_nothing_answers(world: World, address: Address, store: httpx.Client, method: str) -> None:
    """No object, no list of the bucket, no list of buckets, in any way of asking."""
    store_url = urlsplit(address.url)
    root = f"{store_url.scheme}://{store_url.netloc}"
    content = storage.content_key(world.quiet.workspace.id, SHA256)
    before = kept(world)
    for path in (
        f"/{settings.S3_BUCKET}/{content}",
        f"/{settings.S3_BUCKET}/{address.foreign_key}",
        f"/{settings.S3_BUCKET}",
        f"/{settings.S3_BUCKET}/?list-type=2&prefix={world.quiet.workspace.id}",
        f"/{settings.S3_BUCKET}/?versions",
        f"/{settings.S3_BUCKET}/?uploads",
        "/",
    ):
        answer = store.request(method, root + path)
        assert (path, 400 <= answer.status_code < 500) == (path, True)
        assert str(world.quiet.workspace.id) not in answer.text or str(world.quiet.workspace.id) in path
    assert kept(world) == before
