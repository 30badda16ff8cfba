"""The operators' commands as a person runs them: in a process of their own, on the stack's addresses or on others."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from backend.embedded.plan import ROOT
from tests.conftest import CLEAN_ENVIRONMENT, Stack

NOWHERE = "127.0.0.1:9"  # nothing listens there
SECRETS = (
    "sEcret-app",
    "sEcret-owner",
    "sEcret-system",
    "sEcret-valkey",
    "sEcret-access",
    "sEcret-s3",
    "sEcret-key" * 4,
)


def addresses(place: str) -> dict[str, str]:
    """Settings in which every part is at `place`, with passwords that must not be shown."""
    app, owner, system, valkey, access, s3, key = SECRETS
    return {
        "DATABASE_URL": f"postgresql://a:{app}@{place}/x",
        "DATABASE_OWNER_URL": f"postgresql://b:{owner}@{place}/x",
        "DATABASE_SYSTEM_URL": f"postgresql://c:{system}@{place}/x",
        "VALKEY_URL": f"redis://:{valkey}@{place}/0",
        "S3_ENDPOINT_URL": f"http://{place}",
        "S3_ACCESS_KEY": access,
        "S3_SECRET_KEY": s3,
        "TRITON_URL": place,
        "ATELIER_URL": f"http://{place}",
        "METRICS_URLS": f"http://{place}/metrics",
        "ATELIER_SECRET_KEY": key,
    }


@dataclass(frozen=True, slots=True)
class Said:
    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)

    def levels(self) -> dict[str, str]:
        """The level of each check."""
        return {finding["check"]: finding["level"] for finding in self.document["findings"]}


Manage = Callable[..., Said]


def patiently(manage: Manage, *arguments: str, **changed: str) -> Said:
    """The command until it finds all well: on a machine that has too much to do a part may answer too late."""
    for _ in range(4):
        said = manage(*arguments, **changed)
        if said.code == 0:
            break
    return said


@pytest.fixture
def manage(stack: Stack) -> Manage:
    """`manage("doctor", "--json", VALKEY_URL=…)`: the command on the stack's settings, with some of them changed."""

    def run(*arguments: str, **changed: str) -> Said:
        environment = {**CLEAN_ENVIRONMENT, **stack.plan.settings(), "ATELIER_VAR": str(stack.plan.var), **changed}
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            env=environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=100,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    return run
