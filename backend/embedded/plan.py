"""Hides where the stack keeps its things: the folders, ports and passwords of one `var`, chosen once and kept."""

import fcntl
import json
import os
import random
import secrets
import socket
from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[2]
HOST = "127.0.0.1"  # nothing of the stack listens elsewhere
INNER_PORTS = (
    *("postgres", "valkey", "triton", "triton_metrics", "s3", "s3_grpc"),
    *("s3_master", "s3_master_grpc", "s3_volume", "s3_volume_grpc", "s3_filer", "s3_filer_grpc"),
    *("worker_metrics", "relay_metrics", "learner_metrics"),
)
PASSWORDS = ("superuser", "owner", "app", "system", "s3_access", "s3_secret", "django")
# Below the range from which Linux takes ports for outgoing connections, so that no client can sit on ours at a restart.
PORT_RANGE = range(20_000, 32_000)
PORT_BLOCK = len(INNER_PORTS) + 1  # with the web's: what a stack takes


class StackError(Exception):
    """What stops the stack from starting, in words for the person who started it."""


class AlreadyRunning(StackError):
    """Another supervisor holds this `var`."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One stack: where it lives, its ports by name, its passwords by name, and what was asked of it."""

    var: Path
    ports: Mapping[str, int]
    passwords: Mapping[str, str]
    url: str
    demo: bool

    def folder(self, name: str) -> Path:
        path = self.var / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def database_url(self, role: str, *, database: str = "atelier") -> str:
        user = "postgres" if role == "superuser" else f"atelier_{role}"
        return f"postgresql://{user}:{self.passwords[role]}@{HOST}:{self.ports['postgres']}/{database}"

    def settings(self) -> dict[str, str]:
        """What the processes read from the environment, and `manage.py` from `embedded.env`."""
        return {
            "DATABASE_URL": self.database_url("app"),
            "DATABASE_OWNER_URL": self.database_url("owner"),
            "DATABASE_SYSTEM_URL": self.database_url("system"),
            "VALKEY_URL": f"redis://{HOST}:{self.ports['valkey']}/0",
            "S3_ENDPOINT_URL": f"http://{HOST}:{self.ports['s3']}",
            "S3_ACCESS_KEY": self.passwords["s3_access"],
            "S3_SECRET_KEY": self.passwords["s3_secret"],
            "TRITON_URL": f"{HOST}:{self.ports['triton']}",
            "ATELIER_SECRET_KEY": self.passwords["django"],
            "ATELIER_URL": self.url,
            "ATELIER_DEMO": "true" if self.demo else "false",
            "METRICS_URLS": ",".join(self.metrics_urls()),
        }

    def metrics_urls(self) -> list[str]:
        """Where each of our own processes shows its metrics."""
        ports = [self.ports["web"], *(self.ports[f"{name}_metrics"] for name in ("worker", "relay", "learner"))]
        return [f"http://{HOST}:{port}/metrics" for port in ports]

    def origins(self) -> list[str]:
        """The origins from which a browser may reach the store: the public one, and localhost by its other name."""
        port = self.ports["web"]
        return sorted({self.url, f"http://{HOST}:{port}", f"http://localhost:{port}"})

    def write_settings(self) -> None:
        text = "".join(f"{key}={value}\n" for key, value in self.settings().items())
        write_at_once(self.var / "embedded.env", "# Written by backend.embedded at each start.\n" + text)


def load(var: Path, *, web_port: int | None, demo: bool, url: str = "") -> Plan:
    """The plan of `var`, made at the first call and the same at later ones; `web_port` None: any free one, kept.

    An inner port that somebody else took in the meantime is replaced by a free one. Idempotent.
    """
    var.mkdir(parents=True, exist_ok=True)
    state = var / "state.json"
    kept = json.loads(state.read_text()) if state.exists() else {"ports": {}, "passwords": {}}
    ports: dict[str, int] = kept["ports"]
    missing = [name for name in (*INNER_PORTS, "web") if name not in ports]
    ports.update(zip(missing, free_ports(len(missing), taken=set(ports.values())), strict=True))
    passwords = {name: kept["passwords"].get(name) or secrets.token_urlsafe(24) for name in PASSWORDS}
    write_at_once(state, json.dumps({"ports": ports, "passwords": passwords}, indent=1))
    if web_port is not None:
        ports = {**ports, "web": web_port}
    return Plan(
        var=var.resolve(),
        ports=ports,
        passwords=passwords,
        url=(url or f"http://{HOST}:{ports['web']}").rstrip("/"),
        demo=demo,
    )


def replace_taken_ports(var: Path) -> None:
    """Give each inner port that a stranger listens on another number. Call it while nothing of `var` runs."""
    state = var / "state.json"
    if not state.exists():
        return
    kept = json.loads(state.read_text())
    kept["ports"] = {name: port for name, port in kept["ports"].items() if is_free(port)}
    write_at_once(state, json.dumps(kept, indent=1))


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port in TIME_WAIT is free
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free_port(*, taken: Set[int]) -> int:
    return free_ports(1, taken=taken)[0]


def free_ports(count: int, *, taken: Set[int] = frozenset()) -> range:
    """So many in a row, at most `PORT_BLOCK`, from the start of a block: of two stacks that choose at the same moment
    one then seldom takes another's before that listens."""
    blocks = range(PORT_RANGE.start, PORT_RANGE.stop, PORT_BLOCK)
    for first in random.SystemRandom().sample(blocks, len(blocks)):
        ports = range(first, first + count)
        if taken.isdisjoint(ports) and all(map(is_free, ports)):
            return ports
    raise StackError(f"No free port between 20000 and 32000 on 127.0.0.1, or no {count} in a row.")


def accepts(port: int, *, timeout_s: float = 0.5) -> bool:
    try:
        with socket.create_connection((HOST, port), timeout=timeout_s):
            return True
    except OSError:
        return False


def port_of(url: str) -> int:
    parts = urlsplit(url)
    return parts.port or {"https": 443}.get(parts.scheme, 80)


@contextmanager
def held(var: Path) -> Iterator[None]:
    """Hold `var` for this process alone. The kernel lets go of it when the process dies, however it dies.

    Raises: AlreadyRunning.
    """
    var.mkdir(parents=True, exist_ok=True)
    with open(var / "supervisor.lock", "a+") as lock:  # children don't inherit it: Python's files close on exec
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            lock.seek(0)
            raise AlreadyRunning(
                f"The stack under {var} already runs (supervisor pid {lock.read().strip() or 'unknown'}). "
                "Stop it with Ctrl-C where it runs, or set ATELIER_VAR to another folder."
            ) from exc
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def write_at_once(path: Path, text: str) -> None:
    """Replace `path`, so that a reader sees all of it or nothing; readable by its owner alone."""
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    part.replace(path)
