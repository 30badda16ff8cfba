"""Metrics: each is named on its page, what is shown parses, and strangers see nothing."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import pytest
from django.conf import LazySettings
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import Histogram
from prometheus_client.parser import text_string_to_metric_families

from backend.core import metrics
from backend.workspaces.models import Person
from tests.backend.api.test_jobs import ended, picture, submit
from tests.collab.ysocket import YSocket
from tests.conftest import Stack, Studio


def families(text: str) -> dict[str, float]:
    """The value of each series, by its name with its labels."""
    return {
        f"{sample.name}{sorted(sample.labels.items())}": sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture
def scraped(stack: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stack.base_url) as client:
        yield client


def test_every_metric_is_on_the_page() -> None:
    """What the registry holds and what the page names are one list."""
    page = Client().get("/docs/metrics").content.decode()
    named = set(re.findall(r'<tr id="([^"]+)">', page))
    counters = {family.name + "_total" for family in metrics.REGISTRY.collect() if family.type == "counter"}
    others = {family.name for family in metrics.REGISTRY.collect() if family.type != "counter"}
    assert named == counters | others


def test_each_is_named_and_explained_by_prometheus_rules() -> None:
    """Ours begin with our name, counters end in _total, a unit is in the name, and the meaning is a sentence."""
    for one in metrics.DECLARED:
        assert one.name.startswith(("atelier_", "process_"))
        assert one.name.endswith("_total") == (one.kind == "counter")
        assert one.unit in one.name
        assert one.meaning.endswith(".")


def test_no_label_could_hold_an_id() -> None:
    """Labels are words of our own choice: each id would be a series that stays for ever."""
    labels = {label for one in metrics.DECLARED for label in one.labels}
    assert labels <= {
        *("method", "route", "status", "part", "scope", "database", "state", "use", "operation", "outcome", "model"),
        *("work", "task", "lane", "kind", "reason", "code"),
    }


@given(amounts=st.lists(st.floats(0, 20) | st.sampled_from(metrics.FAST_S), max_size=40), most=st.integers(1, 50))
def test_what_is_counted_later_is_counted_alike(amounts: list[float], most: int) -> None:
    """Our histograms count many observations at once: with the same result as one by one."""
    ours, theirs = (
        kind("seconds", "Some.", buckets=metrics.FAST_S, registry=None) for kind in (metrics.Deferred, Histogram)
    )
    ours.MOST = most  # type: ignore[attr-defined]  # of the first of the two
    for amount in amounts:
        ours.observe(amount)
        theirs.observe(amount)
    (shown,), (expected,) = ours.collect(), theirs.collect()
    for one, other in zip(shown.samples, expected.samples, strict=True):
        assert (one.name, one.labels) == (other.name, other.labels)
        assert one.value == pytest.approx(other.value)


def test_requests_are_measured_by_route(scraped: httpx.Client) -> None:
    """By the template, never the address; an unknown method is one of few words."""
    scraped.get("/api/v1/projects/prj_01h455vb4pex5vsknk084sn02q")
    scraped.request("PROPFIND", "/healthz")
    text = scraped.get("/metrics").text
    found = families(text)
    projects = [name for name in found if "_count" in name and "projects/<" in name]
    assert projects
    assert "prj_01h" not in text
    assert "PROPFIND" not in text
    assert any("'other'" in name for name in found)


def test_openmetrics_is_given_where_it_is_asked_for(scraped: httpx.Client) -> None:
    """Prometheus asks for it."""
    answer = scraped.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"])
def test_who_comes_through_a_proxy_sees_nothing(scraped: httpx.Client, header: str) -> None:
    """A proxy on this machine makes every stranger look local."""
    answer = scraped.get("/metrics", headers={header: "127.0.0.1"})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


def test_another_machine_sees_nothing() -> None:
    """Without a token only the loopback address may look."""
    assert Client(REMOTE_ADDR="10.0.0.7").get("/metrics").status_code == 403
    assert Client(REMOTE_ADDR="127.0.0.1").get("/metrics").status_code == 200


@pytest.mark.parametrize(
    ("authorization", "status"), [("Bearer open-sesame", 200), ("Bearer sesame", 403), ("", 403), ("Bearer ÿ", 403)]
)
def test_a_token_opens_from_anywhere(settings: LazySettings, authorization: str, status: int) -> None:
    """Once there is a token, it alone decides, from this machine too."""
    settings.METRICS_TOKEN = "open-sesame"
    for address in ("10.0.0.7", "127.0.0.1"):
        client = Client(REMOTE_ADDR=address)
        assert client.get("/metrics", headers={"Authorization": authorization}).status_code == status


def test_a_part_that_is_away_hides_nothing_else() -> None:
    """What can't be looked up has no value; all else is shown."""

    def fail() -> None:
        raise OSError

    metrics.OUTBOX_AGE.set(7)
    metrics.JOBS.labels("queued").set(7)
    metrics.follow("test", fail, metrics.OUTBOX_AGE, metrics.JOBS)
    try:
        text = metrics.render()[0].decode()
    finally:
        del metrics.REGISTRY.followed["test"]
    assert "atelier_outbox_oldest_unpublished_seconds NaN" in text
    assert 'atelier_jobs{state="queued"}' not in text
    assert "atelier_http_requests_in_flight" in text


def until(test: Callable[[], bool], *, timeout_s: float = 20.0) -> bool:
    end = time.monotonic() + timeout_s
    while not test():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def of(text: str, name: str, **labels: str) -> float:
    """The sum of the series `name` that have `labels`."""
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def scrape(stack: Stack, process: str) -> str:
    return httpx.get(f"http://127.0.0.1:{stack.plan.ports[f'{process}_metrics']}/metrics").text


def test_relay_and_learner_show_what_they_did(
    stack: Stack, studio: Studio, live_api: Callable[[Person], httpx.Client]
) -> None:
    """An event that a request records is counted by both, and neither stays behind."""
    before = {name: scrape(stack, name) for name in ("relay", "learner")}
    live_api(studio.ada).post(f"/api/v1/projects/{studio.project_id}/acts", json={"tool": "text"}).raise_for_status()
    counted = {"relay": "atelier_relay_published_events_total", "learner": "atelier_learner_events_total"}
    for name, counter in counted.items():
        assert until(lambda: of(scrape(stack, name), counter) > of(before[name], counter))  # noqa: B023 - asked at once
        assert of(scrape(stack, name), "atelier_leader", work=name) == 1
    assert until(lambda: of(scrape(stack, "relay"), "atelier_outbox_unpublished_events") == 0)
    assert until(lambda: of(scrape(stack, "learner"), "atelier_learner_lag_seconds") == 0)


def test_a_job_is_measured_where_it_runs(stack: Stack, studio: Studio, api: Callable[[Person], Client]) -> None:
    """Its wait and its run by task and outcome, Triton's tiles and the calls of S3, on the worker."""
    ada = api(studio.ada)
    job = submit(ada, studio, picture(ada, studio)).json()["id"]
    assert ended(ada, job)["state"] == "succeeded"
    runs = "atelier_job_run_duration_seconds_count"
    assert until(lambda: of(scrape(stack, "worker"), runs, task="enhance", outcome="succeeded") > 0)
    text = scrape(stack, "worker")
    assert of(text, "atelier_job_queue_wait_seconds_count", task="enhance") > 0
    assert of(text, "atelier_triton_duration_seconds_count", outcome="ok") > 0
    assert of(text, "atelier_store_duration_seconds_count", operation="download", outcome="ok") > 0
    assert until(lambda: of(scrape(stack, "worker"), "atelier_task_duration_seconds_count", outcome="ok") > 0)
    assert 'atelier_jobs{state="queued"}' in text
    assert "atelier_queue_messages " in text
    assert job not in text


def test_uploads_are_counted_by_outcome(studio: Studio, api: Callable[[Person], Client]) -> None:
    """In the process that takes them: this one, through Django's client."""
    before = metrics.render()[0].decode()
    picture(api(studio.ada), studio)
    after = metrics.render()[0].decode()
    for outcome in ("started", "finished"):
        counts = [of(text, "atelier_uploads_total", outcome=outcome) for text in (before, after)]
        assert counts[1] == counts[0] + 1


@pytest.fixture
async def ada(studio: Studio, signed_in: httpx.Client) -> AsyncIterator[httpx.AsyncClient]:
    options: dict[str, Any] = {"cookies": signed_in.cookies, "headers": signed_in.headers}
    async with httpx.AsyncClient(base_url=signed_in.base_url, timeout=20, **options) as client:
        yield client


@pytest.fixture
def signed_in(studio: Studio, live_api: Callable[[Person], httpx.Client]) -> httpx.Client:
    return live_api(studio.ada)


async def test_co_editing_is_measured(stack: Stack, studio: Studio, ada: httpx.AsyncClient) -> None:
    """Rooms, sockets, flushes, commits and acknowledgements while somebody draws; the close when they go."""
    ticket = (await ada.post(f"/api/v1/documents/{studio.board_id}/tickets")).json()["ticket"]
    before = (await ada.get("/metrics")).text
    socket = await YSocket().open(f"{stack.ws_url}/collab/{studio.board_id}?ticket={ticket}&status=1")
    await socket.put("a", "drawn")
    await socket.saved()
    during = (await ada.get("/metrics")).text
    await socket.close()
    assert of(during, "atelier_collab_rooms") >= 1
    assert of(during, "atelier_collab_sockets") >= 1
    for name in ("flush_duration_seconds", "flush_size_bytes", "commit_duration_seconds"):
        assert of(during, f"atelier_collab_{name}_count") > of(before, f"atelier_collab_{name}_count")
    latency = "atelier_collab_acknowledgement_latency_seconds"
    assert of(during, f"{latency}_count") > of(before, f"{latency}_count")
    assert 0 < of(during, f"{latency}_sum") < 600
    assert of(during, "atelier_database_pool_connections", database="default", state="open") > 0
    closes: dict[str, Any] = {"name": "atelier_collab_closes_total", "code": "client_left"}
    async with asyncio.timeout(20):
        while of((await ada.get("/metrics")).text, **closes) <= of(before, **closes):  # noqa: ASYNC110 - in the web
            await asyncio.sleep(0.1)


def test_what_is_refused_at_the_gate_is_counted(scraped: httpx.Client) -> None:
    """It has no route, so it is counted by its code."""
    before = scraped.get("/metrics").text
    assert scraped.post("/api/v1/me", content=b"x" * 2_000_000).status_code == 413
    assert scraped.get("/healthz", headers={"X-Long": "x" * 100_000}).status_code == 431
    after = scraped.get("/metrics").text
    for code in ("too_large", "headers_too_large"):
        name = "atelier_http_refused_total"
        assert of(after, name, code=code) == of(before, name, code=code) + 1


def test_a_head_is_counted_as_such(scraped: httpx.Client) -> None:
    """Though it is answered as a GET."""
    name, wanted = "atelier_http_request_duration_seconds_count", {"method": "HEAD", "route": "api/v1/me"}
    before = scraped.get("/metrics").text
    scraped.head("/api/v1/me")
    assert of(scraped.get("/metrics").text, name, **wanted) == of(before, name, **wanted) + 1


def test_a_repeated_post_is_counted(studio: Studio, api: Callable[[Person], Client]) -> None:
    """The second one is answered from what was kept."""
    before = metrics.render()[0].decode()
    for _ in range(2):
        path = f"/api/v1/workspaces/{studio.workspace_id}/projects"
        body, headers = {"name": "Once"}, {"Idempotency-Key": studio.project_id}
        assert api(studio.ada).post(path, body, "application/json", headers=headers).status_code == 201
    name = "atelier_http_idempotent_replays_total"
    assert of(metrics.render()[0].decode(), name) == of(before, name) + 1


def test_the_loop_tells_how_late_it_is(scraped: httpx.Client) -> None:
    """Once a second."""
    name = "atelier_event_loop_lag_seconds_count"
    before = of(scraped.get("/metrics").text, name)
    assert until(lambda: of(scraped.get("/metrics").text, name) > before)
