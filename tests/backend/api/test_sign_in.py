"""Sign-in by allauth's headless API, as the studio's page uses it."""

from typing import Any

import pytest
from django.test import Client

from backend.core import tenancy

LOGIN = "/_allauth/browser/v1/auth/login"


@pytest.fixture
def ada(studio: Any) -> Any:
    """Ada, who has a password."""
    with tenancy.acting():
        studio.ada.set_password("a long enough password")
        studio.ada.save()
    return studio.ada


def sign_in(client: Any, email: str, password: str, **headers: str) -> Any:
    body = {"email": email, "password": password}
    return client.post(LOGIN, body, content_type="application/json", headers=headers)


def test_email_and_password_sign_in(client: Any, ada: Any) -> None:
    """The session that it opens is good for the API; the address may be typed in capitals."""
    assert sign_in(client, ada.email.upper(), "a long enough password").status_code == 200
    assert client.get("/api/v1/me").json()["email"] == ada.email


def test_a_wrong_password_opens_nothing(client: Any, ada: Any) -> None:
    """The same answer as for an address that nobody has."""
    wrong = sign_in(client, ada.email, "another password")
    unknown = sign_in(client, "x" + ada.email, "another password")
    assert wrong.status_code == unknown.status_code == 400
    assert [error["code"] for error in wrong.json()["errors"]] == [error["code"] for error in unknown.json()["errors"]]
    assert client.get("/api/v1/me").status_code == 401


def test_another_site_can_not_sign_in(ada: Any) -> None:
    """Without the CSRF token the post is refused."""
    strict = Client(enforce_csrf_checks=True)
    assert sign_in(strict, ada.email, "a long enough password").status_code == 403


def test_strangers_make_no_account_by_default(client: Any, ada: Any) -> None:
    """ATELIER_SIGN_UP is off."""
    body = {"email": "new" + ada.email, "password": "a long enough password"}
    assert client.post("/_allauth/browser/v1/auth/signup", body, content_type="application/json").status_code == 400


def test_the_documentation_needs_no_other_site(client: Any, ada: Any) -> None:
    """Every script and style of the interactive docs comes from here, under the same policy as all pages."""
    page = client.get("/api/v1/docs")
    assert b'src="http' not in page.content
    assert b'href="http' not in page.content
    assert b"/static/ninja/swagger-ui-bundle.js" in page.content
    assert "script-src 'self'" in page["Content-Security-Policy"]
