"""The real stack as it runs: where it listens, as whom it works, what it weighs."""

import ipaddress
import subprocess
import sys
from pathlib import Path

import psutil
import psycopg
import pytest

from backend.embedded import children
from backend.embedded.parts import PARTS
from backend.embedded.plan import HOST, ROOT
from tests.conftest import CLEAN_ENVIRONMENT, Stack

LISTEN = "0A"  # the state's number in /proc/net/tcp


def sockets_of(process: psutil.Process) -> set[str]:
    """Inodes of the sockets that the process holds."""
    links = [str(path.readlink()) for path in Path(f"/proc/{process.pid}/fd").iterdir() if path.is_symlink()]
    return {link[8:-1] for link in links if link.startswith("socket:[")}


def listening(inodes: set[str]) -> list[tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int]]:
    """Addresses and ports on which the sockets listen, as the kernel has them."""
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTEN and fields[9] in inodes:
                address, port = fields[1].split(":")
                words = bytes.fromhex(address)
                turned = b"".join(words[at : at + 4][::-1] for at in range(0, len(words), 4))
                found.append((ipaddress.ip_address(turned), int(port, 16)))
    return found


def everything(stack: Stack) -> list[psutil.Process]:
    parts = [process for _, process, _ in children.running(stack.plan.var)]
    return parts + [below for part in parts for below in part.children(recursive=True)]


def test_every_part_runs(stack: Stack) -> None:
    """All that the issue names."""
    assert {name for name, _, _ in children.running(stack.plan.var)} == {part.name for part in PARTS}


def test_all_listen_on_the_loopback_address_alone(stack: Stack) -> None:
    """Asked of the kernel, for each process of the stack and all below it."""
    inodes = {inode for process in everything(stack) for inode in sockets_of(process)}
    found = listening(inodes)
    assert {str(getattr(address, "ipv4_mapped", None) or address) for address, _ in found} == {HOST}
    assert {port for _, port in found} == set(stack.plan.ports.values())


def test_the_memory_at_rest_is_below_two_gigabytes(stack: Stack) -> None:
    """The sum of the proportional shares of all processes."""
    total = sum(children.pss_bytes(process) for _, process, _ in children.running(stack.plan.var))
    assert total < 2.0e9


@pytest.mark.parametrize(("role", "bypasses"), [("app", False), ("system", True), ("owner", False)])
def test_the_roles_are_ordinary(stack: Stack, role: str, bypasses: bool) -> None:
    """Nobody is a superuser; only the system role passes row-level security."""
    with psycopg.connect(stack.plan.database_url(role)) as connection:
        row = connection.execute(
            "SELECT rolsuper, rolcreaterole, rolcreatedb, rolbypassrls FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
    assert row == (False, False, False, bypasses)


@pytest.mark.parametrize("role", ["app", "system"])
def test_only_the_owner_makes_tables(stack: Stack, role: str) -> None:
    """Migrations are the one way to change the schema."""
    denied = pytest.raises(psycopg.errors.InsufficientPrivilege)
    with psycopg.connect(stack.plan.database_url(role)) as connection, denied:
        connection.execute("CREATE TABLE intruder (id int)")


def test_the_system_role_sees_no_content(stack: Stack) -> None:
    """BYPASSRLS is not the right to read: a table that no migration granted stays closed."""
    denied = pytest.raises(psycopg.errors.InsufficientPrivilege)
    with psycopg.connect(stack.plan.database_url("system")) as connection, denied:
        connection.execute("SELECT * FROM projects_project")


def test_what_is_acknowledged_is_on_disk(stack: Stack) -> None:
    """The settings that make a commit durable are on, and the extensions are there."""
    with psycopg.connect(stack.plan.database_url("app")) as connection:
        durable = [connection.execute(f"SHOW {name}").fetchone() for name in ("fsync", "synchronous_commit")]
        extensions = {row[0] for row in connection.execute("SELECT extname FROM pg_extension").fetchall()}
    assert durable == [("on",), ("on",)]
    assert {"vector", "pg_trgm", "citext"} <= extensions


def command_line(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "backend.embedded", *arguments],
        env={**CLEAN_ENVIRONMENT, **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_second_supervisor_is_refused(stack: Stack) -> None:
    """Two never share a var."""
    done = command_line("run", ATELIER_VAR=str(stack.plan.var))
    assert done.returncode == 1
    assert "already runs" in done.stderr


def test_a_busy_port_is_told(stack: Stack, tmp_path: Path) -> None:
    """A clear sentence with the way out, and nothing was started."""
    done = command_line("run", ATELIER_VAR=str(tmp_path), ATELIER_PORT=str(stack.plan.ports["web"]))
    assert done.returncode == 1
    assert "ATELIER_PORT=" in done.stderr
    assert not (tmp_path / "postgres").exists()


def test_status_shows_each_part(stack: Stack) -> None:
    """A line each, with the sum at the end."""
    done = command_line("status", ATELIER_VAR=str(stack.plan.var))
    names = [line.split()[0] for line in done.stdout.splitlines()]
    assert names == ["part", *sorted(part.name for part in PARTS), "all"]


def test_status_of_nothing(tmp_path: Path) -> None:
    """Where nothing runs the exit code says so."""
    assert command_line("status", ATELIER_VAR=str(tmp_path)).returncode == 1
