"""Fuzzes the API by its own OpenAPI document, on a live stack: schemathesis with all checks, right and wrong requests.

Twice: as a program with the owner's token, and as the owner in a browser, who alone may do some things. A person's own
sessions are not ended (the run would go on signed out), and the event stream, which has no end, is left to other tests.
"""

import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx

from backend.embedded.plan import ROOT
from tests.bench._stack import signed_in

EACH_S = 100 if os.environ.get("QUICK") else 540  # of two
WITHOUT_LIMITS = {f"RATE_{of}_PER_MIN": "0" for of in ("PERSON", "TOKEN", "WORKSPACE", "ACTS")}
SCOPES = ["read", "comment", "edit", "delete", "manage"]
ENDLESS, ENDS_ITSELF = "follow_project", "end_session"


@dataclass(frozen=True, slots=True)
class Report:
    """How many requests were made, how many failures they found, and which of those are answers of 5xx."""

    cases: int
    failures: int
    server_errors: int
    told: str


def fuzz(url: str, headers: Mapping[str, str], things: Mapping[str, list[str]], *options: str) -> Report:
    """Run schemathesis against `url`, signed in by `headers`. `things`: path parameter → ids that are there."""
    with tempfile.TemporaryDirectory(prefix="atelier-fuzz-") as folder:
        report = Path(folder, "report.json")
        command: list[str | Path] = [
            Path(sys.executable).with_name("schemathesis"),
            "--config-file",
            ROOT / "tests/bench/api_fuzz.toml",
        ]
        command += ["run", f"{url}/api/v1/openapi.json", "--url", url, "--checks", "all", "--seed", "1"]
        command += ["--exclude-operation-id", ENDLESS, "--continue-on-failure", "--no-color", "--warnings", "off"]
        command += ["--report", "json", "--report-json-path", report, *options]
        command += [part for name, value in headers.items() for part in ("--header", f"{name}: {value}")]
        environment = {**os.environ, "SCHEMATHESIS_HOOKS": "tests.bench._fuzz_hooks", "PYTHONPATH": str(ROOT)}
        environment["FUZZ_COOKIE"] = "1" if "Cookie" in headers else ""
        environment["FUZZ_THINGS"] = json.dumps(things)
        environment.pop("COVERAGE_PROCESS_CONFIG", None)  # it runs nothing of ours, and would send the fewer requests
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        if not report.is_file():
            raise RuntimeError(done.stdout + done.stderr)
        return _read(json.loads(report.read_text()), done.stdout)


def _read(report: dict[str, Any], told: str) -> Report:
    if not report["complete"]:
        raise RuntimeError(told)
    failures = sum(found["count"] for found in report["failures"] + report["errors"])
    server_errors = sum(found["count"] for found in report["failures"] if found["type"] == "ServerError")
    return Report(report["test_cases"]["generated"], failures, server_errors, told)


def things_of(client: httpx.Client) -> dict[str, list[str]]:
    """The ids of what the person who is signed in can see, by the path parameter that takes them."""
    me = client.get("/api/v1/me").json()
    workspace = me["workspaces"][0]["id"]
    found = {"workspace_id": [workspace], "person_id": [me["id"]]}
    projects = _ids(client, f"/api/v1/workspaces/{workspace}/projects")
    project = f"/api/v1/projects/{projects[0]}"
    for name in ("One", "Two"):
        client.post(f"{project}/documents", json={"name": name}).raise_for_status()
    documents = _ids(client, f"{project}/documents")
    found |= {"project_id": projects, "document_id": documents, "rendition": ["original", "web", "thumbnail"]}
    found |= {"asset_id": _ids(client, f"{project}/assets"), "job_id": _ids(client, f"{project}/jobs")}
    return {name: ids for name, ids in found.items() if ids}


def _ids(client: httpx.Client, path: str) -> list[str]:
    return [item["id"] for item in client.get(path).raise_for_status().json()["items"]]


def token_of(client: httpx.Client) -> str:
    body = {"name": "Fuzz", "scopes": SCOPES}
    token: str = client.post("/api/v1/me/tokens", json=body).raise_for_status().json()["token"]
    return token


def rows() -> list[dict[str, Any]]:
    with patch.dict(os.environ, WITHOUT_LIMITS), signed_in(without=("triton", "worker")) as ada:
        url, things = str(ada.base_url).rstrip("/"), things_of(ada)
        by_token = {"Authorization": f"Bearer {token_of(ada)}"}
        key = secrets.token_hex(16)
        by_session = {
            "Cookie": f"sessionid={ada.cookies['sessionid']}; csrftoken={key}",
            "X-CSRFToken": key,
            "Origin": url,
        }
        time_s = ("--max-time", str(EACH_S))
        reports = {
            "token": fuzz(url, by_token, things, *time_s),
            "session": fuzz(url, by_session, things, *time_s, "--exclude-operation-id", ENDS_ITSELF),
        }
    found = []
    for who, report in reports.items():
        failures = report.failures
        found += [
            _row(f"failures, by {who}", failures, bar="0", ok=failures == 0),
            _row(f"answers of 5xx, by {who}", report.server_errors, bar="0", ok=report.server_errors == 0),
            _row(f"requests, by {who}", report.cases),
        ]
        if failures:
            print(report.told, file=sys.stderr)
    return found


def _row(name: str, value: int, *, bar: str | None = None, ok: bool | None = None) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": "", "bar": bar, "ok": ok, "beside": None}
