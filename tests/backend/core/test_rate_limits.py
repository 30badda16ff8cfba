"""Rate limits: a bucket that fills evenly, taken from for all scopes or for none, and open while Valkey is away."""

import socket
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import Settings

from backend.core import metrics, rate_limits, valkey
from tests.conftest import Stack, Studio

Api = Callable[[Any], Client]


@pytest.fixture
def few(settings: Settings) -> Settings:
    settings.RATE_PERSON_PER_MIN = 5
    settings.RATE_WORKSPACE_PER_MIN = 8
    return settings


def me(client: Client) -> Any:
    return client.get("/api/v1/me")


@given(quota=st.integers(1, 200), asked=st.integers(1, 220))
@hypothesis_settings(max_examples=25, deadline=None)
def test_at_once_nobody_gets_more_than_the_quota(stack: Stack, quota: int, asked: int) -> None:
    """Of any number of requests at one moment the first `quota` pass; what is left counts down to none."""
    keys, lefts = [f"rate:test:{uuid.uuid4()}"], []
    for _ in range(asked):
        answer = rate_limits._ask(keys, [quota])
        assert answer is not None
        lefts.append(answer[0])
    passed = [left for left in lefts if left >= 0]
    refilled = 1 + quota * 2 // 60  # the test itself takes a moment
    assert min(asked, quota) <= len(passed) <= min(asked, quota + refilled)
    assert lefts[0] == quota - 1


def test_a_bucket_fills_evenly(stack: Stack) -> None:
    """Empty, it has one again after a minute divided by the quota, and not before."""
    key, quota = f"rate:test:{uuid.uuid4()}", 60
    while (answer := rate_limits._ask([key], [quota])) and answer[0] >= 0:
        pass
    assert answer is not None
    assert 0 < answer[2] <= 1_000_000
    time.sleep(answer[2] / 1e6 + 0.02)
    assert (rate_limits._ask([key], [quota]) or [-1])[0] == 0


def test_a_refusal_takes_from_no_bucket(stack: Stack) -> None:
    """Where one of two is empty, the other keeps what it has."""
    empty, full = f"rate:test:{uuid.uuid4()}", f"rate:test:{uuid.uuid4()}"
    rate_limits._ask([empty], [1])
    for _ in range(3):
        rate_limits._ask([full, empty], [10, 1])
    assert (rate_limits._ask([full], [10]) or [0])[0] == 9


def test_answers_say_what_is_left(studio: Studio, api: Api, few: Settings) -> None:
    """The policy and what is left of it, for the person and for the workspace that the request is about."""
    answer = api(studio.ada).get(f"/api/v1/projects/{studio.project_id}")
    assert answer["RateLimit-Policy"] == '"person";q=5;w=60, "workspace";q=8;w=60'
    assert answer["RateLimit"] == '"person";r=4;t=12, "workspace";r=7;t=8'


def test_a_person_who_asks_too_often_waits(studio: Studio, api: Api, few: Settings) -> None:
    """429 with a code and Retry-After, for this person alone."""
    client = api(studio.ada)
    before = metrics.RATE_LIMITED.labels("person")._value.get()
    answers = [me(client) for _ in range(7)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 2
    last = answers[-1]
    assert (last.json()["code"], last.json()["scope"], last["RateLimit"]) == (
        "rate_limited",
        "person",
        f'"person";r=0;t={last["RateLimit"].rpartition("=")[2]}',
    )
    assert 1 <= int(last["Retry-After"]) <= 13
    assert me(api(studio.bo)).status_code == 200
    assert metrics.RATE_LIMITED.labels("person")._value.get() == before + 2


def test_a_workspace_s_limit_is_its_members_in_common(
    studio: Studio, other_studio: Studio, api: Api, few: Settings
) -> None:
    """Two people use one workspace up; another workspace does not notice."""
    ada, bo = api(studio.ada), api(studio.bo)
    address = f"/api/v1/projects/{studio.project_id}"
    statuses = [client.get(address).status_code for client in (ada, bo) for _ in range(5)]
    assert statuses.count(200) == 8
    assert statuses.count(429) == 2
    assert api(other_studio.ada).get(f"/api/v1/projects/{other_studio.project_id}").status_code == 200


def test_a_refused_request_changes_nothing(studio: Studio, api: Api, few: Settings) -> None:
    """A POST above the workspace's limit leaves no row behind."""
    few.RATE_WORKSPACE_PER_MIN = 1
    client, address = api(studio.ada), f"/api/v1/workspaces/{studio.workspace_id}/projects"
    answers = [client.post(address, {"name": "Pier"}, content_type="application/json") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201, 429, 429]
    few.RATE_WORKSPACE_PER_MIN = 0
    names = [item["name"] for item in client.get(address).json()["items"]]
    assert names.count("Pier") == 1


def test_zero_is_no_limit(studio: Studio, api: Api, few: Settings) -> None:
    """Who sets a limit to 0 gets neither refusals nor headers."""
    few.RATE_PERSON_PER_MIN = 0
    answers = [me(api(studio.ada)) for _ in range(8)]
    assert {answer.status_code for answer in answers} == {200}
    assert "RateLimit" not in answers[0]


@pytest.fixture
def valkey_hangs(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Iterator[None]:
    """An address where connections are taken and nothing ever answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        settings.VALKEY_URL = f"redis://127.0.0.1:{server.getsockname()[1]}/0"
        rate_limits._script.cache_clear()
        monkeypatch.setattr(rate_limits, "_rests_until", 0.0)
        yield
    rate_limits._script.cache_clear()


def test_without_valkey_nobody_is_refused(studio: Studio, api: Api, few: Settings, valkey_hangs: None) -> None:
    """The limits open, an alarm counts each request, and only the first one waits for Valkey."""
    before = metrics.RATE_LIMIT_OPEN._value.get()
    began = time.monotonic()
    answers = [me(api(studio.ada)) for _ in range(10)]
    assert {answer.status_code for answer in answers} == {200}
    assert "RateLimit" not in answers[0]
    assert metrics.RATE_LIMIT_OPEN._value.get() == before + 10
    assert time.monotonic() - began < 10 * rate_limits.TIMEOUT_S + 5


def test_outside_of_a_request_nothing_is_counted(stack: Stack) -> None:
    """Tasks enter workspaces as often as they like."""
    workspace = uuid.uuid4()
    for _ in range(3):
        rate_limits.take_of_workspace(workspace)
    with rate_limits.counting() as spent:
        rate_limits.take_of_workspace(workspace)
        rate_limits.take_of_workspace(workspace)
    assert len(spent.policies) == 1


def test_a_clock_that_goes_back_shuts_nobody_out(stack: Stack) -> None:
    """A bucket that seems to be full only in an hour counts as one that is empty now: a minute at the most."""
    key = f"rate:test:{uuid.uuid4()}"
    valkey.client().set(key, int((time.time() + 3600) * 1e6))
    answer = rate_limits._ask([key], [60])
    assert answer is not None
    assert answer[0] == -1
    assert answer[2] <= 1_000_000
