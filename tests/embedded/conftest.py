"""A plan under the test's own folder, and toy parts: real processes that cost nothing."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from backend.embedded import plan as plans
from backend.embedded.children import Command
from backend.embedded.parts import Part
from backend.embedded.plan import Plan


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return plans.load(tmp_path / "var", web_port=None, demo=True)


@pytest.fixture
def toy() -> Callable[..., Part]:
    """`toy("a", "code")`: a part that runs Python code and is ready when the file var/a exists."""

    def make(name: str, code: str, **options: object) -> Part:
        def command(plan: Plan) -> Command:
            (plan.var / name).unlink(missing_ok=True)
            ready = f"import pathlib, time; ready = pathlib.Path({str(plan.var / name)!r}).touch\n"
            return Command([sys.executable, "-S", "-c", ready + code])

        def is_ready(plan: Plan) -> bool:
            return (plan.var / name).exists()

        return Part(name, command, is_ready, **options)  # type: ignore[arg-type]  # the options of a dataclass

    return make
