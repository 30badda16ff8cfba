"""Metrics: each is named on its page, what is shown parses, and strangers see nothing."""

import re
from collections.abc import Iterator

import httpx
import pytest
from django.conf import LazySettings
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from backend.core import metrics
from tests.conftest import Stack


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
        *("work", "task", "kind", "reason", "code"),
    }


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
