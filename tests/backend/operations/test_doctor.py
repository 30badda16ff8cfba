"""The doctor on a healthy stack, on one whose parts are away or silent, and on settings that are not safe."""

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import psutil
import psycopg
import pytest
from django.conf import LazySettings

from backend import settings as settings_module
from backend.core.leader import Connection, Leader
from backend.embedded.plan import HOST, ROOT
from backend.operations import broker, database, environment, findings, processes, store
from backend.operations.findings import Finding
from tests.backend.core.collector import collecting
from tests.backend.operations.conftest import NOWHERE, SECRETS, Manage, addresses, patiently
from tests.conftest import Stack

PARTS = ("database", "valkey", "s3", "triton", "web")


def failed(found: Iterator[Finding]) -> set[str]:
    return {one.check for one in found if one.level == "failure"}


def test_a_healthy_stack_has_no_failure(manage: Manage) -> None:
    """Exit code 0; each part, each process and each kind of setting was looked at."""
    said = patiently(manage, "doctor", "--json")
    assert said.code == 0, said.out
    levels = said.levels()
    assert "failure" not in levels.values()
    assert {check.partition(".")[0] for check in levels} == {
        *("settings", "stack", "disk", "worker", "relay", "learner", *PARTS)
    }
    assert levels["database.row_security"] == levels["s3.presigned_put"] == levels["s3.strangers"] == "ok"


def test_as_lines_it_ends_with_a_sum(manage: Manage) -> None:
    """For people: a line each, advice below, and how many of each level."""
    said = patiently(manage, "doctor", ATELIER_DEMOO="1")
    assert "Did you mean ATELIER_DEMO?" in said.out
    assert said.out.rstrip().endswith("1 warnings, 0 failures")
    assert said.code == 0


def test_each_part_that_is_away_is_told(manage: Manage) -> None:
    """Exit code 1, a failure with advice for each, and no password in a word of it."""
    said = manage("doctor", "--json", **addresses(NOWHERE))
    assert said.code == 1
    assert said.document["healthy"] is False
    told = [one for one in said.document["findings"] if one["level"] == "failure"]
    assert {one["check"] for one in told} >= {f"{part}.reachable" for part in PARTS} | {"worker.answers", "relay.leads"}
    assert all(one["advice"] for one in told)
    assert not [secret for secret in SECRETS if secret in said.out + said.err]


@pytest.fixture
def silent() -> Iterator[str]:
    """An address that takes connections and never answers."""
    held: list[socket.socket] = []

    def accept(server: socket.socket) -> None:
        with suppress(OSError):
            while True:
                held.append(server.accept()[0])

    with closing(socket.create_server((HOST, 0))) as server:
        threading.Thread(target=accept, args=[server], daemon=True).start()
        yield f"{HOST}:{server.getsockname()[1]}"
    for one in held:
        one.close()


def test_parts_that_hang_are_not_waited_for(manage: Manage, silent: str) -> None:
    """A frozen machine is the usual case: every call gives up, side by side."""
    began = time.monotonic()
    said = manage("doctor", "--json", **addresses(silent))
    assert said.code == 1
    assert time.monotonic() - began < 90  # of which the most is Python's own start on a busy machine
    assert {check for check, level in said.levels().items() if level == "failure"} >= {
        *(f"{part}.reachable" for part in PARTS),
        "worker.answers",
        "relay.leads",
    }
    assert not [secret for secret in SECRETS if secret in said.out + said.err]


def test_a_setting_that_is_missing_is_named(manage: Manage) -> None:
    """In a sentence, not a traceback."""
    said = manage("doctor", MAX_BODY_BYTES="much")
    assert said.code == 1
    assert "MAX_BODY_BYTES" in said.err
    assert "Traceback" not in said.err


def test_an_address_that_is_none_is_named_without_its_password(manage: Manage) -> None:
    """The library would quote all of it."""
    said = manage("doctor", DATABASE_OWNER_URL="postgresq://atelier_owner:sEcret-owner@127.0.0.1/atelier")
    assert said.code == 1
    assert said.err.startswith("DATABASE_OWNER_URL")
    assert "sEcret" not in said.out + said.err


def test_what_an_address_says_of_tls_is_done(manage: Manage, stack: Stack) -> None:
    """The embedded PostgreSQL has no TLS, so insisting on it fails: for our own looks and for Django's."""
    address = stack.plan.database_url("owner") + "?sslmode=require"
    assert manage("doctor", "--json", DATABASE_OWNER_URL=address).levels()["database.role_owner"] == "failure"
    migrate = manage("migrate", "--database", "owner", "--check", DATABASE_OWNER_URL=address)
    assert "server does not support SSL" in migrate.err


def test_no_worker_no_answer(manage: Manage, stack: Stack) -> None:
    """In another database of Valkey nobody works."""
    said = manage("doctor", "--json", VALKEY_URL=f"redis://{HOST}:{stack.plan.ports['valkey']}/7")
    assert said.levels()["worker.answers"] == "failure"


# --- what the examinations find


def test_a_table_without_row_security_is_named(stack: Stack) -> None:
    """Whatever holds a workspace's rows."""
    with psycopg.connect(stack.plan.database_url("owner"), autocommit=True) as owner:
        owner.execute("CREATE TABLE forgotten (workspace_id uuid)")
        try:
            found = [one for one in database.examine() if one.check == "database.row_security"]
        finally:
            owner.execute("DROP TABLE forgotten")
    assert [(one.level, "forgotten" in one.found) for one in found] == [("failure", True)]


def test_a_superuser_is_no_role_for_requests(stack: Stack, settings: LazySettings) -> None:
    """It bypasses row-level security."""
    settings.DATABASE_URL = stack.plan.database_url("superuser")
    assert "database.role_app" in failed(database.examine())


def test_a_wrong_password_is_told_without_it(stack: Stack, settings: LazySettings) -> None:
    """The role is named, so that one knows which variable to mend."""
    settings.DATABASE_URL = stack.plan.database_url("app").replace(stack.plan.passwords["app"], "wr0ng")
    (found,) = database.examine()
    assert (found.check, found.level) == ("database.reachable", "failure")
    assert "atelier_app" in found.found
    assert "wr0ng" not in found.found


def test_a_broker_that_forgets_is_a_failure(stack: Stack) -> None:
    """Queues and streams are not a cache."""
    with broker.client() as valkey:
        valkey.config_set("maxmemory-policy", "allkeys-lru")
        try:
            assert "valkey.eviction" in failed(broker.examine())
        finally:
            valkey.config_set("maxmemory-policy", "noeviction")


def test_a_store_that_refuses_our_pages_is_a_failure(stack: Stack, settings: LazySettings) -> None:
    """CORS is for the address at which browsers find the studio."""
    settings.ATELIER_URL = "https://studio.example.org"
    assert "s3.cors" in failed(store.examine())


def test_a_missing_bucket_is_told(stack: Stack, settings: LazySettings) -> None:
    """And nothing is written anywhere."""
    settings.S3_BUCKET = "no-such-bucket"
    assert failed(store.examine()) == {"s3.bucket"}


def test_nobody_leads_where_no_lock_is_held(stack: Stack) -> None:
    """The lock in PostgreSQL is what tells."""

    class Nobody(Leader):
        name, lock = "nobody", 0x61746C_00FF

        def lead(self, connection: Connection) -> None: ...

    with database.connect(stack.plan.database_url("system")) as connection:
        assert not processes.is_led(connection, Nobody)


@pytest.mark.parametrize(("ahead_s", "level"), [(0.3, "ok"), (-5.0, "warning"), (3600.0, "failure")])
def test_clocks_are_compared(ahead_s: float, level: str) -> None:
    """Some seconds are worth a word; from a minute on leases and signatures fail."""
    assert findings.clock("x.clock", ahead_s).level == level


@pytest.mark.parametrize(
    ("changed", "check"),
    [
        ({"ATELIER_URL": "https://studio.example.org", "ATELIER_DEMO": True}, "settings.demo"),
        ({"ATELIER_URL": "http://studio.example.org"}, "settings.http"),
        ({"ATELIER_URL": "http://203.0.113.9.example.org"}, "settings.http"),
        ({"ATELIER_URL": "https://studio.example.org", "S3_PUBLIC_URL": "http://s3.example.org"}, "settings.store"),
        ({"ATELIER_URL": "https://studio.example.org", "S3_PUBLIC_URL": "https://10.0.0.1"}, "settings.store"),
        ({"VALKEY_URL": "redis://valkey.example.org/0"}, "settings.valkey"),
        ({"ALLOWED_HOSTS": ["*"]}, "settings.hosts"),
        ({"SECRET_KEY": "short"}, "settings.secret_key"),
        ({"COLLAB_MAX_UPDATE_BYTES": 2**40}, "settings.sizes"),
        ({"MAX_UPLOAD_BYTES": 2**40}, "settings.sizes"),
        ({"UPLOAD_EXPIRES_S": 8 * 24 * 3600}, "settings.sizes"),
        ({"JOB_LEASE_S": 1}, "settings.sizes"),
    ],
)
def test_settings_that_are_not_safe_fail(settings: LazySettings, changed: dict[str, object], check: str) -> None:
    """Each by itself, on settings that are well else."""
    before = failed(environment.examine())
    for name, value in changed.items():
        setattr(settings, name, value)
    assert check in failed(environment.examine()) - before


@pytest.mark.parametrize(
    ("host", "public"),
    [
        *(("127.0.0.1", False), ("10.1.2.3", False), ("::1", False), ("localhost", False), ("studio", False)),
        *(("studio.local", False), ("web.atelier.svc", False), ("8.8.8.8", True), ("studio.example.org", True)),
    ],
)
def test_what_is_public(host: str, public: bool) -> None:
    """Addresses that strangers may reach."""
    assert environment.is_public(host) == public


def test_whatever_a_check_says_secrets_are_struck_out(settings: LazySettings) -> None:
    """The last hold, should a library quote one."""
    settings.S3_SECRET_KEY, settings.DATABASE_URL = "s3cret!", "postgresql://a:p%40ss@h/x"
    found = findings.without_secrets([findings.failure("x", "said s3cret! and p@ss", "not p%40ss")])
    assert [(one.found, one.advice) for one in found] == [("said ••• and •••", "not •••")]


@pytest.mark.parametrize(
    ("name", "meant"),
    [("S3_ENDPIONT_URL", "S3_ENDPOINT_URL"), ("DATABSE_URL", "DATABASE_URL"), ("ATELIER_COLOUR", "")],
)
def test_a_typing_error_is_told(monkeypatch: pytest.MonkeyPatch, name: str, meant: str) -> None:
    """With what was meant, where a word is near; a word of ours that is near none is told as well."""
    monkeypatch.setenv(name, "x")
    (found,) = [one for one in environment.examine() if one.check == "settings.unknown"]
    assert found.level == "warning"
    assert name in found.found
    assert f"Did you mean {meant}?" in found.advice or not meant


@pytest.mark.parametrize("name", ["HOME", "PYTHONPATH", "MAX_JOBS", "KUBERNETES_PORT"])
def test_what_is_others_is_left_alone(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The environment is shared with every program."""
    monkeypatch.setenv(name, "x")
    (found,) = [one for one in environment.examine() if one.check == "settings.unknown"]
    assert (found.level, found.found) == ("ok", "each variable of ours is one that is read")


def test_a_stack_that_does_not_run_is_told_first(stack: Stack, settings: LazySettings, tmp_path: Path) -> None:
    """With the one command that mends all else."""
    settings.ATELIER_VAR = tmp_path
    (tmp_path / "embedded.env").write_text(f"DATABASE_URL={settings.DATABASE_URL}\n")
    (found,) = processes.examine_stack()
    assert (found.check, found.level) == ("stack.runs", "failure")
    assert "make run" in found.advice


def test_a_part_of_the_stack_that_fell_is_named(stack: Stack, settings: LazySettings, tmp_path: Path) -> None:
    """Those of others are not asked for."""
    settings.ATELIER_VAR = tmp_path
    (tmp_path / "run").mkdir()
    record = {"pid": os.getpid(), "started": psutil.Process().create_time(), "port": 0}
    (tmp_path / "run" / "relay.json").write_text(json.dumps(record))
    (tmp_path / "embedded.env").write_text(f"DATABASE_URL={settings.DATABASE_URL}\n")
    (found,) = processes.examine_stack()
    assert (found.level, found.found) == ("warning", "learner, postgres, web, worker not running")


@pytest.mark.parametrize(("host", "warned"), [("127.0.0.1", False), ("localhost", False), ("10.0.0.7", True)])
def test_open_metrics_are_told(settings: LazySettings, host: str, warned: bool) -> None:
    """The ports of worker, relay and learner ask for no password."""
    settings.METRICS_PORT, settings.METRICS_HOST = 9464, host
    assert ("settings.metrics" in {one.check for one in environment.examine()}) == warned


def test_a_collector_that_is_away_is_a_warning(settings: LazySettings) -> None:
    """Nothing else depends on it; a password in its address is not shown."""
    settings.TRACES_ENDPOINT = f"http://somebody:pass@{NOWHERE}/v1/traces"
    (found,) = processes.examine_traces()
    assert (found.check, found.level) == ("traces.collector", "warning")
    assert "pass" not in found.found


def test_an_endpoint_that_answers_is_well(settings: LazySettings) -> None:
    """Any collector."""
    with collecting() as collector:
        settings.TRACES_ENDPOINT = f"{collector.url}/v1/traces"
        (found,) = processes.examine_traces()
    assert found.level == "ok"


def test_a_typing_error_in_the_file_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """There each word is meant for us; and others may not read it, for it holds passwords."""
    (tmp_path / ".env").write_text("JOB_LEASE=9\nLOG_LEVEL=INFO\nCOLOUR=red\n")
    (tmp_path / ".env").chmod(0o644)
    monkeypatch.setattr(settings_module, "ROOT", tmp_path)
    found = {one.found: one.advice for one in environment.examine() if one.level == "warning"}
    assert found["JOB_LEASE, in .env, is read by nobody"] == "Did you mean JOB_LEASE_S?"
    assert "COLOUR, in .env, is read by nobody" in found
    assert any("others on this machine may read it" in said for said in found)
    assert not any("LOG_LEVEL" in said for said in found)


def test_every_setting_is_in_the_readme() -> None:
    """What the doctor sends people to."""
    readme = (ROOT / "README.md").read_text()
    lacking = [name for name in settings_module.env.dump() if f"`{name}`" not in readme]
    assert [name for name in lacking if not name.startswith("OTEL_")] == []
