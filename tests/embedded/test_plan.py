"""Ports and passwords are chosen once; a var has one supervisor."""

import json
import socket
import stat
from pathlib import Path

import pytest

from backend.embedded import plan as plans
from backend.embedded.plan import HOST, AlreadyRunning, Plan, StackError


def test_a_second_load_gives_the_same(plan: Plan) -> None:
    """Addresses and passwords survive a restart."""
    again = plans.load(plan.var, web_port=None, demo=True)
    assert (again.ports, again.passwords) == (plan.ports, plan.passwords)


def test_ports_differ_and_are_out_of_the_way_of_clients(plan: Plan) -> None:
    """Each has its own, below the range that Linux hands to outgoing connections."""
    assert len(set(plan.ports.values())) == len(plan.ports)
    assert set(plan.ports.values()) <= set(plans.PORT_RANGE)


def test_the_web_port_is_the_one_asked_for(plan: Plan) -> None:
    """It is no part of the state, so that the next start may ask for another."""
    asked = plans.load(plan.var, web_port=8123, demo=False)
    assert asked.url == "http://127.0.0.1:8123"
    assert plans.load(plan.var, web_port=None, demo=False).ports["web"] == plan.ports["web"]


def test_a_taken_port_is_replaced(plan: Plan) -> None:
    """A stranger that listens on one of our ports keeps it; the others stay."""
    with socket.create_server((HOST, plan.ports["valkey"])):
        plans.replace_taken_ports(plan.var)
        again = plans.load(plan.var, web_port=None, demo=True)
    assert again.ports["valkey"] != plan.ports["valkey"]
    assert again.ports["postgres"] == plan.ports["postgres"]


def test_passwords_are_readable_by_their_owner_alone(plan: Plan) -> None:
    """Both files that hold them."""
    plan.write_settings()
    modes = {stat.S_IMODE((plan.var / name).stat().st_mode) for name in ("state.json", "embedded.env")}
    assert modes == {0o600}


def test_the_settings_file_holds_every_address(plan: Plan) -> None:
    """What Django reads is what the plan says."""
    plan.write_settings()
    lines = (plan.var / "embedded.env").read_text().splitlines()[1:]
    assert dict(line.split("=", 1) for line in lines) == plan.settings()


def test_one_supervisor_at_a_time(plan: Plan) -> None:
    """The second is told which process holds the var; afterwards the var is free."""
    with plans.held(plan.var), pytest.raises(AlreadyRunning, match="supervisor pid"), plans.held(plan.var):
        pass
    with plans.held(plan.var):
        pass


def test_no_port_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all are taken it says so."""
    monkeypatch.setattr(plans, "is_free", lambda port: False)
    with pytest.raises(StackError, match="No free port"):
        plans.free_port(taken=set())


def test_an_older_state_is_completed(tmp_path: Path) -> None:
    """A port that a later version needs is added; those there stay."""
    (tmp_path / "state.json").write_text(json.dumps({"ports": {"postgres": 20001}, "passwords": {"app": "kept"}}))
    plan = plans.load(tmp_path, web_port=None, demo=True)
    assert (plan.ports["postgres"], plan.passwords["app"]) == (20001, "kept")
    assert set(plans.INNER_PORTS) <= set(plan.ports)


def test_the_ports_of_a_stack_lie_together(tmp_path: Path) -> None:
    """In a block that another stack, which chooses at the same moment, takes whole or not at all."""
    for number in range(5):
        ports = sorted(plans.load(tmp_path / str(number), web_port=None, demo=True).ports.values())
        assert ports == list(range(ports[0], ports[0] + plans.PORT_BLOCK))
        assert (ports[0] - plans.PORT_RANGE.start) % plans.PORT_BLOCK == 0
