"""Examines PostgreSQL: that it answers, that its roles are as weak as they should be, and that the schema is ours."""

import time
from collections.abc import Iterator
from typing import Any

import psycopg
from django.conf import settings
from django.db import connections
from django.db.migrations.executor import MigrationExecutor

from backend.operations.findings import TIMEOUT_S, Finding, clock, failure, judged, ok

TESTED = 180_000
EXTENSIONS = frozenset({"vector", "pg_trgm", "citext"})
RUN_ROLES = "Run backend/core/roles.sql as a superuser; it may be repeated."
# Who must be what: (superuser, may make roles, may make databases, passes row-level security).
ROLES = {
    "app": ("DATABASE_URL", (False, False, False, False)),
    "owner": ("DATABASE_OWNER_URL", (False, False, False, False)),
    "system": ("DATABASE_SYSTEM_URL", (False, False, False, True)),
}
_UNPROTECTED = """
    SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
    AND (c.relname = 'workspaces_workspace' OR EXISTS (
        SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'workspace_id' AND NOT a.attisdropped
    )) ORDER BY 1
"""
_TENANT_TABLES = """
    SELECT count(DISTINCT c.oid) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'workspace_id' AND NOT a.attisdropped
    WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p')
"""
_ROLE = "SELECT rolname, rolsuper, rolcreaterole, rolcreatedb, rolbypassrls FROM pg_roles WHERE rolname = current_user"
_OWNED = "SELECT count(*) FROM pg_class WHERE relowner = (SELECT oid FROM pg_roles WHERE rolname = current_user)"


def connect(url: str) -> psycopg.Connection[tuple[Any, ...]]:
    """A connection of our own, which waits for nothing longer than TIMEOUT_S. Raises psycopg.Error."""
    options = f"-c statement_timeout={1000 * TIMEOUT_S}"
    return psycopg.connect(url, autocommit=True, connect_timeout=TIMEOUT_S, options=options, application_name="doctor")


def examine() -> Iterator[Finding]:
    try:
        with connect(settings.DATABASE_URL) as connection:
            yield from _server(connection)
            yield from _schema(connection)
    except psycopg.Error as exc:
        advice = "Start it, or mend DATABASE_URL; with no DATABASE_URL `make run` starts one."
        yield failure("database.reachable", _said(exc), advice)
        return
    for role, (variable, wanted) in ROLES.items():
        yield from _role(role, variable, wanted)
    yield _migrations()


def _said(exc: psycopg.Error) -> str:
    """What the server said of itself. Of a malformed address libpq would quote it, with the password in it."""
    if isinstance(exc, psycopg.OperationalError):
        return " ".join(str(exc).split())[:200]
    return type(exc).__name__


def _server(connection: psycopg.Connection[tuple[Any, ...]]) -> Iterator[Finding]:
    began = time.perf_counter()
    connection.execute("SELECT 1")
    took_ms = 1000 * (time.perf_counter() - began)
    number, text = connection.info.server_version, connection.info.parameter_status("server_version")
    said = f"PostgreSQL {text} answers in {took_ms:.1f} ms"
    advice = "Use PostgreSQL 18 or newer: nothing older is tested."
    yield judged(number >= TESTED, "database.reachable", said, advice, level="warning")
    before = time.time()
    (theirs,) = connection.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchone() or (0.0,)
    yield clock("database.clock", theirs - (before + time.time()) / 2)
    unsafe = [
        name for name in ("fsync", "full_page_writes") if connection.execute(f"SHOW {name}").fetchone() != ("on",)
    ]
    said = f"{', '.join(unsafe)} off" if unsafe else "what is committed is on disk"
    yield judged(not unsafe, "database.durable", said, "Switch them on: a power cut would lose what was acknowledged.")
    (most,) = connection.execute("SELECT current_setting('max_connections')::int").fetchone() or (0,)
    pool = settings.DATABASE_POOL_SIZE
    said = f"a process may take {pool + 8} of {most} connections"
    advice = "Lower DATABASE_POOL_SIZE, raise max_connections, or set a pooler between (not for the system role)."
    yield judged(3 * (pool + 8) <= most, "database.connections", said, advice, level="warning")


def _schema(connection: psycopg.Connection[tuple[Any, ...]]) -> Iterator[Finding]:
    there = {row[0] for row in connection.execute("SELECT extname FROM pg_extension")}
    lacking = sorted(EXTENSIONS - there)
    said = f"{', '.join(lacking)} missing" if lacking else ", ".join(sorted(EXTENSIONS))
    yield judged(not lacking, "database.extensions", said, RUN_ROLES)
    (tables,) = connection.execute(_TENANT_TABLES).fetchone() or (0,)
    open_ones = [row[0] for row in connection.execute(_UNPROTECTED)]
    said = f"not forced on {', '.join(open_ones)}" if open_ones else f"forced on all {tables} tables of tenants"
    advice = "Call protect_tenant_table for each in a migration: without it the queries alone keep tenants apart."
    yield judged(not open_ones and tables > 0, "database.row_security", said, advice)


def _role(role: str, variable: str, wanted: tuple[bool, ...]) -> Iterator[Finding]:
    check = f"database.role_{role}"
    try:
        with connect(getattr(settings, variable)) as connection:
            name, *rights = connection.execute(_ROLE).fetchone() or ("?",)
            (owned,) = connection.execute(_OWNED).fetchone() or (0,)
    except psycopg.Error as exc:
        yield failure(check, _said(exc), f"Mend {variable}. {RUN_ROLES}")
        return
    titles = ("SUPERUSER", "CREATEROLE", "CREATEDB", "BYPASSRLS")
    has = [title for title, right in zip(titles, rights, strict=True) if right]
    may = [title for title, right in zip(titles, wanted, strict=True) if right]
    said = f"{name} has {' '.join(has) or 'no special right'}"
    advice = f"It should have {' '.join(may) or 'none'}, or tenants are not kept apart. {RUN_ROLES}"
    yield judged(has == may, check, said, advice)
    if role != "owner" and owned:
        advice = "Only the owner role may own tables: an owner can switch row-level security off."
        yield failure(check, f"{name} owns {owned} tables or indexes", advice)


def _migrations() -> Finding:
    executor = MigrationExecutor(connections["owner"])
    waiting = [str(step) for step, _ in executor.migration_plan(executor.loader.graph.leaf_nodes())]
    if not waiting:
        return ok("database.migrations", f"all {len(executor.loader.applied_migrations)} applied")
    said = f"{len(waiting)} not applied, from {waiting[0]} on"
    return failure("database.migrations", said, "Run `manage.py migrate --database owner`; `make run` does it.")
