"""The table of what the stack is made of: each part's command, probe, needs and way to stop; each step between them."""

import os
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import psycopg
from environs import Env

from backend.embedded import postgres, seaweedfs, valkey
from backend.embedded.children import Command
from backend.embedded.plan import HOST, ROOT, Plan, accepts


@dataclass(frozen=True, slots=True)
class Part:
    """A process that is kept alive. `command` may first set up what the program needs; `opened` follows each start.

    `broken`: whether it lives and will not work until it is started anew. False where it is slow, or in doubt.
    `mend`: looks for what goes wrong in it and needs no new start, and puts it right.
    """

    name: str
    command: Callable[[Plan], Command]
    ready: Callable[[Plan], bool]
    needs: tuple[str, ...] = ()
    opened: Callable[[Plan], None] | None = None
    broken: Callable[[Plan], bool] | None = None
    mend: Callable[[Plan], None] | None = None
    stop: signal.Signals = signal.SIGTERM
    grace_s: float = 4.0
    dies_by: signal.Signals = signal.SIGKILL
    port: str = ""
    url: str = ""  # the setting that, given by the environment, says that somebody else runs this part
    layer: Literal[0, 1] = 0  # what stands on the other parts is stopped first


@dataclass(frozen=True, slots=True)
class Step:
    """A command that runs to its end once, at the start."""

    name: str
    arguments: Callable[[Plan], list[str]]  # of Python
    needs: tuple[str, ...]


def settings(plan: Plan) -> dict[str, str]:
    """The plan's settings, each outdone by one that the environment gives: so a part can be somebody else's."""
    return {key: os.environ.get(key) or value for key, value in plan.settings().items()}


def is_outer(plan: Plan, part: Part) -> bool:
    """Whether the environment names another address for `part`, so that it is not ours to run."""
    return bool(part.url) and settings(plan)[part.url] != plan.settings()[part.url]


def _triton(plan: Plan) -> Command:
    from inference import server  # here, for a stack with a TRITON_URL needs none of it
    from inference.contracts import ENHANCE

    server.build(plan.var, instances=Env().int("TRITON_INSTANCES", 0))
    argv, env = server.command(
        plan.var,
        grpc_port=plan.ports["triton"],
        metrics_port=plan.ports["triton_metrics"],
        preload=[name for name in Env().list("TRITON_PRELOAD", [ENHANCE.model]) if name],
    )
    return Command(argv, env)


def _ours(*argv: str, metrics: str = "") -> Callable[[Plan], Command]:
    def command(plan: Plan) -> Command:
        quiet = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0", "MALLOC_ARENA_MAX": "2"}
        web_port = str(plan.ports["web"])
        arguments = [argument.replace("{web_port}", web_port) for argument in argv]
        shown = {"METRICS_PORT": str(plan.ports[metrics]), "METRICS_HOST": HOST} if metrics else {}
        return Command([sys.executable, *arguments], {**settings(plan), **quiet, **shown}, cwd=ROOT)

    return command


def _web_ready(plan: Plan) -> bool:
    try:
        with urllib.request.urlopen(f"http://{HOST}:{plan.ports['web']}/healthz", timeout=2):
            return True
    except urllib.error.HTTPError as answer:
        return answer.code < 500
    except OSError:
        return False


def _connected(name: str) -> Callable[[Plan], bool]:
    """Whether that process of ours is connected to the database.

    Its metrics are shown just before: until then nobody asks the database, which starts a process for each question.
    """

    def ready(plan: Plan) -> bool:
        if not accepts(plan.ports[f"{name}_metrics"]):
            return False
        try:
            with psycopg.connect(plan.database_url("superuser"), connect_timeout=2) as connection:
                query = "SELECT 1 FROM pg_stat_activity WHERE application_name = %s"
                return connection.execute(query, [f"atelier-{name}"]).fetchone() is not None
        except psycopg.Error:
            return False

    return ready


STEPS: Sequence[Step] = (
    Step("prepare", lambda plan: ["-m", "backend.embedded.prepare", *plan.origins()], needs=("postgres",)),
)

PARTS: Sequence[Part] = (
    # The slowest first. SIGKILL: asked kindly it waits 15 s for itself, and what it answered is in the kernel's hands.
    Part(
        "s3", seaweedfs.command, seaweedfs.ready, broken=seaweedfs.broken, stop=signal.SIGKILL,
        port="s3", url="S3_ENDPOINT_URL",
    ),
    Part(
        "postgres", postgres.command, postgres.ready, opened=postgres.make_roles, broken=postgres.broken,
        port="postgres", url="DATABASE_URL",
        stop=signal.SIGINT, dies_by=signal.SIGINT,  # its fast shutdown: it hangs up on its clients
    ),
    Part(
        "valkey", valkey.command, valkey.ready, mend=valkey.mend,
        port="valkey", url="VALKEY_URL", dies_by=signal.SIGTERM,
    ),
    Part(
        "triton", _triton, lambda plan: accepts(plan.ports["triton"]), port="triton", url="TRITON_URL", grace_s=1.0
    ),
    Part(
        "web",
        _ours("-m", "backend.serve", "--host", HOST, "--port", "{web_port}"),
        _web_ready, needs=("prepare", "valkey"), port="web", layer=1,
    ),
    Part(
        "worker",
        _ours("-m", "celery", "-A", "backend.celery", "worker", "-l", "INFO",
              "--without-gossip", "--without-mingle", metrics="worker_metrics"),
        valkey.has_waiting_worker, needs=("prepare", "valkey"), port="worker_metrics", layer=1,
    ),
    Part(
        "relay", _ours("manage.py", "relay", metrics="relay_metrics"), _connected("relay"),
        needs=("prepare", "valkey"), port="relay_metrics", layer=1,
    ),
    Part(
        "learner", _ours("manage.py", "learner", metrics="learner_metrics"), _connected("learner"),
        needs=("prepare", "valkey"), port="learner_metrics", layer=1,
    ),
)  # fmt: skip
OUTER = tuple(part.name for part in PARTS if part.layer == 0)
