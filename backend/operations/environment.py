"""Examines the settings: words that nobody reads, what is not safe in public, and sizes that clash."""

import difflib
import ipaddress
import os
import shutil
import stat
from collections.abc import Iterator
from urllib.parse import urlsplit

import psycopg.conninfo
from django.conf import settings
from dotenv import dotenv_values

from backend import settings as module
from backend.operations.findings import Finding, Level, failure, judged, ok, warning

# Read elsewhere than in settings.py: by the embedded stack, the Makefile and OpenTelemetry.
ELSEWHERE = frozenset({"ATELIER_PORT", "ATELIER_PART", "ATELIER_TEST_VAR", "ATELIER_FAULT_SEED"})
OTHERS = ("OTEL_",)
OURS = ("ATELIER_", "COLLAB_")
ALIKE = 0.85
RATES = ("RATE_PERSON_PER_MIN", "RATE_TOKEN_PER_MIN", "RATE_WORKSPACE_PER_MIN", "RATE_ACTS_PER_MIN")
WEEK_S = 7 * 24 * 3600
GB = 1e9


def examine() -> Iterator[Finding]:
    yield from _words()
    yield from _public()
    yield from _secrets()
    yield from _sizes()
    yield from _disk()


# --- words


def _words() -> Iterator[Finding]:
    known = {*module.env.dump(), *ELSEWHERE}
    path = module.ROOT / ".env"
    # What stands in the environment may be another's, unless it looks like ours; in .env each word is meant for us.
    given = {name: "the environment" for name in os.environ if name.startswith(OURS) or _alike(name, known)}
    given |= dict.fromkeys(dotenv_values(path) if path.exists() else (), ".env")
    strange = sorted(name for name in given if name not in known and not name.startswith(OTHERS))
    for name in strange:
        alike = _alike(name, known)
        advice = f"Did you mean {alike}?" if alike else "Take it out, or see README, Configuration, for what there is."
        yield warning("settings.unknown", f"{name}, in {given[name]}, is read by nobody", advice)
    if not strange:
        yield ok("settings.unknown", "each variable of ours is one that is read")


def _alike(name: str, known: set[str]) -> str:
    return next(iter(difflib.get_close_matches(name, known, n=1, cutoff=ALIKE)), "")


# --- safe in public


def is_public(host: str) -> bool:
    """Whether strangers may reach that name: all but loopback, private addresses and names of a local network."""
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return "." in host and not host.endswith((".local", ".internal", ".localhost", ".lan", ".home.arpa", ".svc"))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _public() -> Iterator[Finding]:
    site, store = urlsplit(settings.ATELIER_URL), urlsplit(settings.S3_PUBLIC_URL)
    public = is_public(site.hostname or "")
    yield ok("settings.address", f"{settings.ATELIER_URL} is {'public' if public else 'not public'}")
    if public and settings.ATELIER_DEMO:
        said = "the demo's links need no password, and the address is public"
        yield failure("settings.demo", said, "Set ATELIER_DEMO=0, and make people with `manage.py create_person`.")
    if public and site.scheme != "https":
        said = "browsers reach it by plain http, with cookies and words for all on the way to read"
        yield failure("settings.http", said, "Put a proxy with TLS before it, and set ATELIER_URL=https://…")
    if public and settings.ATELIER_SIGN_UP:
        yield warning("settings.sign_up", "strangers may make accounts", "Set ATELIER_SIGN_UP=0, unless that is meant.")
    if site.scheme == "https" and store.scheme != "https":
        said = f"S3_PUBLIC_URL is {store.scheme}, the site https: browsers refuse that"
        yield failure("settings.store", said, "Give the store TLS too, and set S3_PUBLIC_URL=https://…")
    if public and not is_public(store.hostname or ""):
        said = f"the site is public, but the store is at {store.hostname}"
        yield failure("settings.store", said, "Set S3_PUBLIC_URL to an address that browsers reach.")
    unbounded = [name for name in RATES if getattr(settings, name) == 0]
    if public and unbounded:
        said = f"{', '.join(unbounded)} 0: nobody is held back"
        yield warning("settings.rates", said, "Give them a bound: one person could keep all others waiting.")
    if "*" in settings.ALLOWED_HOSTS:
        said = "the web process answers to every host name"
        yield failure("settings.hosts", said, "Name in ATELIER_HOSTS those that are yours.")
    if settings.METRICS_PORT and not _is_loopback(settings.METRICS_HOST):
        said = f"processes show metrics on {settings.METRICS_HOST}:{settings.METRICS_PORT} to whoever asks"
        yield warning("settings.metrics", said, "Let a firewall or NetworkPolicy admit Prometheus alone.")
    yield from _plain_connections()


def _plain_connections() -> Iterator[Finding]:
    for name in ("DATABASE_URL", "DATABASE_OWNER_URL", "DATABASE_SYSTEM_URL"):
        parts = psycopg.conninfo.conninfo_to_dict(getattr(settings, name))
        safe = parts.get("sslmode") in ("require", "verify-ca", "verify-full")
        if is_public(str(parts.get("host") or "")) and not safe:
            said = f"{name} goes over a public network, and does not insist on TLS"
            yield warning("settings.database", said, "Add ?sslmode=verify-full to it.")
    valkey = urlsplit(settings.VALKEY_URL)
    if is_public(valkey.hostname or "") and (valkey.scheme != "rediss" or not valkey.password):
        said = "VALKEY_URL goes over a public network without TLS or password"
        yield failure("settings.valkey", said, "Use rediss://:password@… or a private network.")


# --- secrets


def _secrets() -> Iterator[Finding]:
    good = len(settings.SECRET_KEY) >= 32 and len(set(settings.SECRET_KEY)) >= 8
    advice = "Set a random one: `python -c 'import secrets; print(secrets.token_urlsafe(48))'`."
    yield judged(good, "settings.secret_key", f"ATELIER_SECRET_KEY has {len(settings.SECRET_KEY)} characters", advice)
    if settings.METRICS_TOKEN and len(settings.METRICS_TOKEN) < 16:
        yield warning("settings.metrics_token", "METRICS_TOKEN is short", advice)
    roles = {settings.DATABASES[name]["USER"] for name in ("default", "owner", "system")}
    said = f"{len(roles)} database roles for three uses"
    advice = "Give each its own role (backend/core/roles.sql), or row-level security does not hold."
    yield judged(len(roles) == 3, "settings.roles", said, advice)
    for path in (module.ROOT / ".env", settings.ATELIER_VAR / "embedded.env"):
        if path.exists() and path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
            said = f"{path.name} holds passwords, and others on this machine may read it"
            yield warning("settings.files", said, f"chmod 600 {path}")


# --- sizes


def _sizes() -> Iterator[Finding]:
    clashes = [
        (advice, f"{lower} is larger than {upper}")
        for lower, upper, advice in (
            ("COLLAB_MAX_UPDATE_BYTES", "COLLAB_MAX_DOCUMENT_BYTES", "An update fits into its document."),
            ("COLLAB_MAX_UPDATE_BYTES", "COLLAB_BACKLOG_BYTES", "One update alone would stop its document."),
            ("MAX_UPLOAD_BYTES", "MAX_RESULT_BYTES", "A picture could be taken in that no job may read."),
            ("JOB_LEASE_S", "JOB_RUN_TIMEOUT_S", "A job would end before its worker is missed."),
        )
        if getattr(settings, lower) > getattr(settings, upper)
    ]
    low = [name for name in ("UPLOAD_EXPIRES_S", "TICKET_EXPIRES_S") if getattr(settings, name) < 1]
    clashes += [("Nothing could be used in time.", f"{name} is below a second") for name in low]
    if settings.UPLOAD_EXPIRES_S > WEEK_S:
        clashes.append(("S3 signs for a week at most.", "UPLOAD_EXPIRES_S is more than a week"))
    if settings.JOB_LEASE_S < 3:
        clashes.append(("Heartbeats come each second: give it 3 or more.", "JOB_LEASE_S is below 3"))
    for advice, said in clashes:
        yield failure("settings.sizes", said, advice)
    if settings.TICKET_EXPIRES_S > 600:
        said = "tickets are good for more than ten minutes"
        yield warning("settings.tickets", said, "A ticket is a credential in an address: lower TICKET_EXPIRES_S.")
    if not clashes:
        yield ok("settings.sizes", "limits and times fit each other")


# --- where the embedded stack keeps its data


def is_embedded() -> bool:
    """Whether at least the database is the one that runs under ATELIER_VAR."""
    return embedded().get("DATABASE_URL") == settings.DATABASE_URL


def embedded() -> dict[str, str | None]:
    """The settings that the embedded stack wrote at its last start."""
    path = settings.ATELIER_VAR / "embedded.env"
    return dict(dotenv_values(path)) if path.exists() else {}


def _disk() -> Iterator[Finding]:
    if not is_embedded():
        return
    free = shutil.disk_usage(settings.ATELIER_VAR).free
    said = f"{free / GB:.1f} GB free under {settings.ATELIER_VAR}"
    advice = "Free some, or move ATELIER_VAR to a larger disk: a full one stops PostgreSQL, and all edits with it."
    level: Level = "failure" if free < 1 * GB else "warning"
    yield judged(free > 5 * GB, "disk.free", said, advice, level=level)
