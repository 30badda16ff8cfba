"""Traces of the real processes at a real collector, and processes whose collector is away, silent or not set."""

import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from backend.embedded import plan as plans
from backend.embedded.plan import HOST, ROOT
from tests.backend.core.collector import Collector, Seen, collecting
from tests.conftest import CLEAN_ENVIRONMENT
from tests.smoke.story import Story

BEGIN = """
import sys, time
import django
django.setup()
from backend.core import process, trace
process.begin("web")
for number in range({spans}):
    with trace.continued(None, "act", kind="server"), trace.span("part"):
        pass
print(any(name.startswith("opentelemetry") for name in sys.modules), flush=True)
"""


def run_process(code: str, **environment: str) -> tuple[subprocess.CompletedProcess[str], float]:
    """A process of ours that runs `code`; and the seconds from its last word to its end."""
    child = subprocess.Popen(
        [sys.executable, "-c", code], env={**os.environ, **environment}, cwd=ROOT, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stdout is not None
    said = child.stdout.readline()
    began = time.monotonic()
    out, err = child.communicate(timeout=60)
    return subprocess.CompletedProcess(child.args, child.returncode, said + out, err), time.monotonic() - began


def test_without_an_endpoint_nothing_is_imported() -> None:
    """OpenTelemetry costs memory and time at the start."""
    done, _ = run_process(BEGIN.format(spans=1), OTEL_EXPORTER_OTLP_ENDPOINT="")
    assert (done.stdout.strip(), done.returncode) == ("False", 0), done.stderr


def test_the_standard_switch_turns_it_off() -> None:
    """An endpoint that comes with the machine is not used then."""
    done, _ = run_process(
        BEGIN.format(spans=1), OTEL_EXPORTER_OTLP_ENDPOINT=f"http://{HOST}:9", OTEL_SDK_DISABLED="true"
    )
    assert (done.stdout.strip(), done.returncode) == ("False", 0), done.stderr


def test_what_the_sampler_leaves_out_is_carried_on_as_such() -> None:
    """Nothing is sent, and whoever is asked next is told not to record either."""
    code = BEGIN.format(spans=1).replace(
        "print(any", "with trace.continued(None, 'act') as value:\n    sys.stderr.write(value)\nprint(any"
    )
    with collecting() as collector:
        done, _ = run_process(code, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_TRACES_SAMPLER="always_off")
        assert collector.spans == []
    assert re.search(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-00$", done.stderr)


def test_what_waits_is_sent_at_the_end() -> None:
    """With the headers that the standard variable gives."""
    with collecting() as collector:
        endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_EXPORTER_OTLP_HEADERS": "x-key=abc"}
        done, _ = run_process(BEGIN.format(spans=3), **endpoint)
        assert done.stdout.strip() == "True", done.stderr
        assert [span.name for span in collector.spans].count("part") == 3
    assert {span.service for span in collector.spans} == {"atelier-web"}
    assert {headers["x-key"] for headers in collector.headers} == {"abc"}


def test_a_collector_that_is_away_costs_a_line() -> None:
    """Five thousand spans, more than the queue holds: the process is not held up, and says so once a batch."""
    done, end_s = run_process(BEGIN.format(spans=2500), OTEL_EXPORTER_OTLP_ENDPOINT=f"http://{HOST}:9")
    lines = done.stderr.splitlines()
    assert done.returncode == 0
    assert end_s < 10
    assert 0 < len(lines) < 20
    assert "Traceback" not in done.stderr


def test_a_collector_that_is_silent_holds_nobody_up() -> None:
    """It takes the connection and never answers."""
    with socket.create_server((HOST, 0)) as server:
        endpoint = f"http://{HOST}:{server.getsockname()[1]}"
        done, end_s = run_process(BEGIN.format(spans=600), OTEL_EXPORTER_OTLP_ENDPOINT=endpoint)
    assert (done.stdout.strip(), done.returncode) == ("True", 0)
    assert end_s < 10


# --- a job through web, worker, Triton's client, relay and learner


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as made:
        yield made


@pytest.fixture(scope="module")
def traced(collector: Collector) -> Iterator[Story]:
    """A stack of its own, as `make run` starts it, that sends its traces; and two people in it."""
    with tempfile.TemporaryDirectory(prefix="atelier-spans-", ignore_cleanup_errors=True) as folder:
        var = Path(folder)
        var.chmod(0o755)  # PostgreSQL walks through it as another user
        port = plans.free_port(taken=set())
        environment = {
            **CLEAN_ENVIRONMENT,
            "ATELIER_VAR": folder,
            "ATELIER_PORT": str(port),
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        }
        out = var / "supervisor.out"
        with out.open("w") as file:
            supervisor = subprocess.Popen(
                [sys.executable, "-m", "backend.embedded", "run"], env=environment, cwd=ROOT, stdout=file, stderr=file
            )
        try:
            end = time.monotonic() + 150
            while "Ctrl-C" not in out.read_text():
                assert supervisor.poll() is None, out.read_text()
                assert time.monotonic() < end, out.read_text()
                time.sleep(0.2)
            links = dict(re.findall(r"sign in as (\w+)\s+(\S+)", out.read_text()))
            story = Story(f"http://{HOST}:{port}", links, patience_s=20.0)
            yield story
            story.close()
        finally:
            supervisor.terminate()
            supervisor.wait(30)


def named(spans: list[Seen], name: str) -> list[Seen]:
    return [span for span in spans if span.name == name]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_job_is_one_trace_over_all_processes(collector: Collector, traced: Story) -> None:
    """From the request to Triton, the events and what was learned of them: one root, and each parent is there."""
    for step in ("sign_in", "co_edit", "upload", "enhance"):
        getattr(traced, step)()

    def told(spans: list[Seen]) -> bool:
        runs = {span.trace_id for span in named(spans, "job.run")}
        learned = [span for span in named(spans, "learner.learn") if span.trace_id in runs]
        return len(learned) >= 2 and bool(named(spans, "collab.commit"))

    spans = collector.until(told, timeout_s=60)
    time.sleep(3)  # what each process still holds back
    (run,) = named(spans, "job.run")
    ours = [span for span in collector.spans if span.trace_id == run.trace_id]
    by_id = {span.span_id: span for span in ours}

    def parent(span: Seen) -> Seen:
        return by_id[span.parent_id]

    (root,) = [span for span in ours if not span.parent_id]
    assert (root.service, root.name.split()[0]) == ("atelier-web", "POST")
    assert root.name.endswith("/jobs")
    assert all(span.parent_id in by_id for span in ours if span is not root)
    assert (run.service, parent(run).service) == ("atelier-worker", "atelier-web")
    stages = [
        name for name in ("job.read", "job.infer", "job.encode", "job.publish") if parent(*named(ours, name)) == run
    ]
    assert stages == ["job.read", "job.infer", "job.encode", "job.publish"]
    assert {parent(span).name for span in named(ours, "triton.infer")} == {"job.infer"}
    assert "job.read" in {parent(span).name for span in named(ours, "s3.download")}
    assert {parent(span).service for span in named(ours, "task generations.run_next")} == {"atelier-web"}
    assert {parent(span).service for span in named(ours, "relay.publish")} == {"atelier-web", "atelier-worker"}
    assert {parent(span).name for span in named(ours, "learner.learn")} == {"relay.publish"}
    assert not [span for span in ours if span.failed]


@pytest.mark.slow
def test_co_editing_is_traced_flush_by_flush(collector: Collector, traced: Story) -> None:
    """Each commit is below the flush whose edits it made safe."""
    flushes = {span.span_id: span for span in named(collector.spans, "collab.flush")}
    commits = named(collector.spans, "collab.commit")
    assert commits
    assert all(flushes[span.parent_id].trace_id == span.trace_id for span in commits)


@pytest.mark.slow
def test_no_span_holds_what_a_user_wrote(collector: Collector, traced: Story) -> None:
    """Names and attributes are ours: no address with an id in it, no text, no person."""
    words = " ".join(f"{span.name} {span.attributes}" for span in collector.spans)
    assert not re.search(r"(prj|doc|job|ast|per|upl)_[0-9a-z]{26}", words)
    assert "Smoke" not in words
    assert "@" not in words


@pytest.mark.slow
def test_the_studio_goes_on_when_its_collector_goes(collector: Collector, traced: Story) -> None:
    """Requests are answered as quickly, and the dropped spans are counted."""
    collector.server.shutdown()
    collector.server.server_close()
    url = str(traced.ada.http.base_url)
    end = time.monotonic() + 60
    while "atelier_trace_spans_dropped_total 0.0" in (text := httpx.get(f"{url}/metrics").text):
        assert time.monotonic() < end, text
        assert traced.ada.get("/me")
        time.sleep(0.3)
