"""Health, the studio's page, the demo's sign-in links, and the errors' page."""

import threading
import time
from typing import Any

import pytest
from django.core import signing
from psycopg_pool import PoolTimeout

from backend.api import health
from backend.api.pages import DEMO_SALT


def test_healthz_asks_nothing_of_other_parts(client: Any, studio: Any) -> None:
    """It answers by itself."""
    assert client.get("/healthz").json() == {"status": "ok"}


def test_readyz_names_each_part(client: Any, studio: Any) -> None:
    """All run here, so all are true."""
    answer = client.get("/readyz")
    assert answer.json()["parts"] == {"database": True, "valkey": True, "s3": True, "triton": True}


def test_a_demo_link_signs_in(client: Any, studio: Any, settings: Any) -> None:
    """Only under the demo setting."""
    settings.ATELIER_DEMO = True
    link = "/demo/sign-in/" + signing.dumps(str(studio.ada.id), salt=DEMO_SALT)
    assert client.get(link).status_code == 302
    assert client.get("/api/v1/me").json()["email"] == studio.ada.email


def test_without_the_demo_there_are_no_links(client: Any, studio: Any, settings: Any) -> None:
    """A good link is a 404 then."""
    settings.ATELIER_DEMO = False
    assert client.get("/demo/sign-in/" + signing.dumps(str(studio.ada.id), salt=DEMO_SALT)).status_code == 404


@pytest.mark.parametrize("token", ["x", "a:b:c"])
def test_a_forged_link_is_refused(client: Any, studio: Any, settings: Any, token: str) -> None:
    """401 with a sentence that helps."""
    settings.ATELIER_DEMO = True
    assert client.get(f"/demo/sign-in/{token}").json()["code"] == "not_signed_in"


def test_the_errors_page_lists_each_code(client: Any, studio: Any) -> None:
    """What a problem's `type` points to is there."""
    page = client.get("/docs/errors").content.decode()
    assert 'id="not_found"' in page
    assert 'id="part_unavailable"' in page


def test_pages_carry_the_content_security_policy(client: Any, studio: Any) -> None:
    """Scripts come from here alone."""
    policy = client.get("/docs/errors")["Content-Security-Policy"]
    assert "script-src 'self' 'wasm-unsafe-eval';" in policy + ";"
    assert "default-src 'self'" in policy


def test_readyz_is_quick_when_parts_are_silent(client: Any, studio: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Probes run side by side, and one that hangs is not waited for: it is not ready."""
    end = threading.Event()
    monkeypatch.setattr(health, "PROBES", {**health.PROBES, "s3": lambda: end.wait(20), "triton": lambda: end.wait(20)})
    began = time.monotonic()
    answer = client.get("/readyz")
    end.set()
    assert time.monotonic() - began < 10
    assert answer.json()["parts"] == {"database": True, "valkey": True, "s3": False, "triton": False}
    assert answer.status_code == 200


def test_without_the_database_it_is_not_ready(client: Any, studio: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exhausted pool is as good as no database."""

    def exhausted() -> bool:
        raise PoolTimeout

    monkeypatch.setattr(health, "PROBES", {**health.PROBES, "database": exhausted})
    assert client.get("/readyz").status_code == 503
