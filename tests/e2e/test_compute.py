"""The month's compute on the members page, in real browsers."""

from collections.abc import Callable
from typing import Any

from playwright.sync_api import expect

from tests.backend.api.test_budgets import charged
from tests.backend.api.test_jobs import picture
from tests.backend.generations.test_running import held_job
from tests.conftest import Studio
from tests.e2e.conftest import Seat


def test_a_limit_is_set_seen_and_held(studio: Studio, seat: Callable[..., Seat], api: Callable[..., Any]) -> None:
    """Ada limits Bo and the workspace; both see what is left, Bo only his own; and he can't set it."""
    client = api(studio.ada)
    charged(studio, held_job(studio, picture(client, studio), person=studio.bo), 90.0)
    ada, bo = seat(studio.ada), seat(studio.bo)
    ada.open(f"/w/{studio.workspace_id}/members")
    compute = ada.page.get_by_role("region", name="Compute in")
    whole = compute.get_by_role("listitem").filter(has_text="The whole workspace")
    expect(whole).to_contain_text("90 s used")
    whole.get_by_role("button", name="Limits of The whole workspace").click()
    whole.get_by_label("Warn after").fill("1")
    whole.get_by_label("Stop after").fill("10")
    whole.get_by_role("button", name="Set").click()
    expect(whole).to_contain_text("90 s of 10 min used · a warning after 60 s")
    expect(whole).to_contain_text("running low")
    his = compute.get_by_role("listitem").filter(has_text="Bo")
    his.get_by_role("button", name="Limits of Bo").click()
    his.get_by_label("Stop after").fill("1.5")
    his.get_by_role("button", name="Set").click()
    expect(his).to_contain_text("used up")
    bo.open(f"/w/{studio.workspace_id}/members")
    seen = bo.page.get_by_role("region", name="Compute in")
    expect(seen.get_by_role("listitem")).to_have_count(2)
    expect(seen.get_by_role("meter", name="Compute of Bo")).to_have_attribute("aria-valuenow", "90")
    expect(seen.get_by_role("button")).to_have_count(0)
