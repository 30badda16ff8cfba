"""The table of rights, and that nothing walks around its doors."""

import ast
from itertools import pairwise
from pathlib import Path

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from backend.core.ids import new_id
from backend.embedded.plan import ROOT
from backend.workspaces.rights import MEANING, RIGHTS, SCOPES, Act, Limit, Role, may


@given(st.sampled_from(list(Act)))
def test_a_higher_role_never_may_less(act: Act) -> None:
    """Down the roles a right is lost once and never comes back."""
    allowed = [may(role, act) for role in Role.values]
    assert all(higher or not lower for higher, lower in pairwise(allowed))


@given(st.sampled_from(Role.values), st.sampled_from(list(Act)), st.sets(st.sampled_from(SCOPES)))
def test_a_token_never_may_more_than_its_person(role: str, act: Act, scopes: set[Act]) -> None:
    """What it may, its person may, and one of its scopes says."""
    limited = may(role, act, Limit(frozenset(scopes)))
    assert limited == (may(role, act) and act in scopes)


@given(st.sampled_from(Role.values), st.sampled_from(list(Act)), *[st.sets(st.sampled_from(SCOPES))] * 2)
def test_more_scopes_never_allow_less(role: str, act: Act, some: set[Act], more: set[Act]) -> None:
    """Scopes only add."""
    assert may(role, act, Limit(frozenset(some | more))) >= may(role, act, Limit(frozenset(some)))


def test_a_bound_token_reaches_one_workspace() -> None:
    """An unbound one reaches all of its person's."""
    mine, other = new_id(), new_id()
    assert Limit(frozenset(), mine).reaches(mine)
    assert not Limit(frozenset(), mine).reaches(other)
    assert Limit(frozenset()).reaches(other)


def test_everybody_may_read_and_each_act_is_told() -> None:
    """The table is whole: a sentence and a row for each act, and the owner may all."""
    assert set(MEANING) == set(RIGHTS) == set(Act)
    assert RIGHTS[Act.READ] == frozenset(Role.values)
    assert all(may(Role.OWNER, act) for act in Act)


def test_the_page_shows_the_table(client: Client) -> None:
    """`/docs/rights` is made from the table: each act with its sentence, each role a column."""
    page = client.get("/docs/rights").content.decode()
    assert all(f"<tr id={act}>" in page for act in Act)
    assert page.count("yes") == sum(len(roles) for roles in RIGHTS.values()) + len(SCOPES)


@pytest.mark.parametrize("path", sorted((ROOT / "backend" / "api").glob("*.py")), ids=lambda path: path.stem)
def test_the_api_walks_around_no_door(path: Path) -> None:
    """No module of the API touches a table itself: objects come from the doors of the rooms, which ask for a right."""
    used = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
    assert used.isdisjoint({"objects", "_default_manager", "_base_manager"})
