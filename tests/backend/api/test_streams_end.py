"""A stream ends with what let it in: within a second, and within 5 s where nobody is told."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.test import Client
from django.utils import timezone

from backend.core import tenancy
from backend.workspaces import services, tokens
from backend.workspaces.models import ApiToken, Member, Person, Session
from backend.workspaces.rights import Act
from backend.workspaces.sessions import end_session
from tests.conftest import Stack, Studio

TOLD_S, UNTOLD_S = 1.0, 5.0
SLOW_S = 1.5  # what a machine that runs other suites beside this one may add


@contextmanager
def following(stack: Stack, studio: Studio, headers: dict[str, str]) -> Iterator[Iterator[str]]:
    """The stream's lines, once it has begun."""
    address = f"{stack.base_url}/api/v1/projects/{studio.project_id}/events"
    with httpx.stream("GET", address, headers=headers, timeout=20) as answer:
        assert answer.status_code == 200
        lines = answer.iter_lines()
        assert next(lines).startswith("retry:")
        yield lines


def by_session(studio: Studio, api: Callable[[Person], Client]) -> dict[str, str]:
    return {"Cookie": f"sessionid={api(studio.bo).cookies['sessionid'].value}"}


def by_token(studio: Studio, api: Callable[[Person], Client]) -> dict[str, str]:
    with tenancy.acting(person_id=studio.bo.pk):
        secret, _ = tokens.make_token(studio.bo.pk, name="Robot", scopes={Act.READ}, days=1)
    return {"Authorization": f"Bearer {secret}"}


def session_ended(studio: Studio) -> None:
    with tenancy.acting(person_id=studio.bo.pk):
        end_session(studio.bo.pk, Session.objects.get().pk)


def token_revoked(studio: Studio) -> None:
    with tenancy.acting(person_id=studio.bo.pk):
        tokens.revoke_token(studio.bo.pk, ApiToken.objects.get().pk)


def switched_off(studio: Studio) -> None:
    services.switch_off(studio.bo)


def removed(studio: Studio) -> None:
    with tenancy.acting(person_id=studio.ada.pk, workspace_id=studio.workspace.pk):
        services.remove_member(studio.workspace, studio.bo.pk, by=studio.ada.pk)


def session_gone(studio: Studio) -> None:
    with tenancy.acting(person_id=studio.bo.pk):
        Session.objects.all().delete()


def token_expired(studio: Studio) -> None:
    with tenancy.acting(person_id=studio.bo.pk):
        ApiToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))


def member_gone(studio: Studio) -> None:
    with tenancy.acting(workspace_id=studio.workspace.pk):
        Member.objects.filter(person=studio.bo).delete()


@pytest.mark.parametrize(
    ("way_in", "end", "within_s"),
    [
        (by_session, session_ended, TOLD_S),
        (by_token, token_revoked, TOLD_S),
        (by_session, switched_off, TOLD_S),
        (by_token, removed, TOLD_S),
        (by_session, session_gone, UNTOLD_S),
        (by_token, token_expired, UNTOLD_S),
        (by_token, member_gone, UNTOLD_S),
    ],
)
def test_a_stream_ends_with_what_let_it_in(
    stack: Stack, studio: Studio, api: Any, way_in: Any, end: Any, within_s: float
) -> None:
    """The last thing that it says is that it is closed."""
    with following(stack, studio, way_in(studio, api)) as lines:
        began = time.monotonic()
        end(studio)
        assert "event: closed" in lines
        assert time.monotonic() - began < within_s + SLOW_S
