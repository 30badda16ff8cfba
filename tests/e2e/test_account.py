"""The account page, invitations and roles, in real browsers."""

from collections.abc import Callable

import httpx
from playwright.sync_api import expect

from backend.core import tenancy
from tests.conftest import Stack, Studio
from tests.e2e.conftest import Seat


def test_somebody_without_an_account_joins_by_a_link(studio: Studio, seat: Callable[..., Seat]) -> None:
    """Ada invites, hands the link on, and a newcomer signs up and is in the workspace; then the link is spent."""
    ada, cy = seat(studio.ada), seat(None)
    ada.open(f"/w/{studio.workspace_id}/members")
    email = studio.ada.email.replace("ada", "cy")
    ada.page.get_by_label("E-mail address").fill(email)
    ada.page.get_by_role("button", name="Invite").click()
    link = ada.page.get_by_label("Link of the invitation").input_value()
    expect(ada.page.get_by_role("list", name="Invited")).to_contain_text(email)

    cy.page.goto(link)
    expect(cy.page.get_by_role("heading", name=f"Join {studio.workspace.name}")).to_be_visible()
    cy.page.get_by_label("Your name").fill("Cy")
    cy.page.get_by_label("Choose a password").fill("a long enough password")
    cy.page.get_by_role("button", name="Make an account and join").click()
    expect(cy.page.get_by_role("heading", name=studio.workspace.name, exact=True)).to_be_visible()

    cy.page.goto(link)
    expect(cy.page.get_by_role("heading", name="This invitation opens nothing")).to_be_visible()
    ada.page.reload()
    expect(ada.page.get_by_role("list", name="Members")).to_contain_text("Cy")
    expect(ada.page.get_by_role("list", name="Invited")).to_have_count(0)


def test_the_wrong_person_at_a_link_is_told_whose_it_is(studio: Studio, seat: Callable[..., Seat]) -> None:
    """They may sign out and go on, on the same page."""
    ada, bo = seat(studio.ada), seat(studio.bo)
    ada.open(f"/w/{studio.workspace_id}/members")
    ada.page.get_by_label("E-mail address").fill("dee@test.invalid")
    ada.page.get_by_role("button", name="Invite").click()
    bo.page.goto(ada.page.get_by_label("Link of the invitation").input_value())
    expect(bo.page.get_by_text("The invitation is for dee@test.invalid")).to_be_visible()
    bo.page.get_by_role("button", name="Sign out and go on").click()
    expect(bo.page.get_by_label("Your name")).to_be_visible()


def test_a_new_role_reaches_an_open_board(ada: Seat, bo: Seat, studio: Studio) -> None:
    """Bo becomes a viewer while he draws; his board stays open and what he draws goes nowhere."""
    ada.page.get_by_role("button", name="Members").click()
    ada.page.get_by_label("Role of Bo").select_option("viewer")
    expect(ada.page.get_by_text("Bo is viewer now.")).to_be_visible()
    bo.page.wait_for_timeout(1_500)
    bo.draw("r", (400, 300), (520, 400))
    ada.page.wait_for_timeout(1_500)
    ada.expect_board("empty")


def test_a_token_is_made_used_and_revoked(stack: Stack, studio: Studio, seat: Callable[..., Seat]) -> None:
    """It is shown once; after a reload only its end is there; revoked, it opens nothing."""
    ada = seat(studio.ada)
    ada.open("/account")
    ada.page.get_by_role("button", name="New token").click()
    ada.page.get_by_label("What is it for?").fill("Nightly export")
    ada.page.get_by_label("Edit").check()
    ada.page.get_by_role("button", name="Make token").click()
    secret = ada.page.get_by_label("Token Nightly export").input_value()

    def status() -> int:
        return httpx.get(f"{stack.base_url}/api/v1/me", headers={"Authorization": f"Bearer {secret}"}).status_code

    assert status() == 200
    ada.page.reload()
    row = ada.page.get_by_role("listitem").filter(has_text="Nightly export")
    expect(row).to_contain_text(secret[-4:])
    expect(row).to_contain_text("used just now")
    row.get_by_role("button", name="Revoke Nightly export").click()
    row.get_by_role("alertdialog").get_by_role("button", name="Revoke Nightly export").click()
    expect(row).to_have_count(0)
    assert status() == 401


def test_another_browser_is_signed_out_from_here(studio: Studio, seat: Callable[..., Seat]) -> None:
    """The account page lists both; the other one's board closes, calmly, and it must sign in again."""
    here, there = seat(studio.ada), seat(studio.ada)
    there.open_board(studio.board_id)
    here.open("/account")
    expect(here.page.get_by_text("this browser")).to_be_visible()
    rows = here.page.get_by_role("region", name="Where you are signed in").get_by_role("listitem")
    expect(rows).to_have_count(2)
    rows.nth(1).get_by_role("button", name="Sign out").click()
    rows.nth(1).get_by_role("alertdialog").get_by_role("button", name="Sign out").click()
    expect(rows).to_have_count(1)
    expect(there.page.get_by_role("heading", name="You no longer have access to this board")).to_be_visible()
    there.open("/")
    expect(there.page.get_by_role("heading", name="Sign in to Atelier")).to_be_visible()


def test_a_new_password_signs_the_other_browser_out(studio: Studio, seat: Callable[..., Seat]) -> None:
    """This one stays; the list shows it alone."""
    with tenancy.acting():
        studio.ada.set_password("a long enough password")
        studio.ada.save()
    here, there = seat(studio.ada), seat(studio.ada)
    there.open("/account")
    here.open("/account")
    here.page.get_by_role("button", name="Change password").click()
    here.page.get_by_label("Password of now").fill("not this one")
    here.page.get_by_label("New password").fill("another long password")
    here.page.get_by_role("button", name="Change password").click()
    expect(here.page.get_by_role("alert")).to_be_visible()
    here.page.get_by_label("Password of now").fill("a long enough password")
    here.page.get_by_role("button", name="Change password").click()
    rows = here.page.get_by_role("region", name="Where you are signed in").get_by_role("listitem")
    expect(rows).to_have_count(1)
    there.page.reload()
    expect(there.page.get_by_role("heading", name="Sign in to Atelier")).to_be_visible()
