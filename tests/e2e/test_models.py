"""The page of the AI models, in a real browser."""

from collections.abc import Callable

from playwright.sync_api import expect

from tests.conftest import Studio
from tests.e2e.conftest import Seat


def test_who_works_with_a_model_sees_what_it_is(studio: Studio, seat: Callable[..., Seat]) -> None:
    """One click from the projects: for each tool its model, whose it is, how dear, and which version works now."""
    ada = seat(studio.ada)
    ada.open("/")
    ada.page.get_by_role("link", name="The AI models").click()
    expect(ada.page.get_by_role("heading", name="AI models")).to_be_visible()
    enhance = ada.page.get_by_role("region", name="Enhance ×2")
    expect(enhance).to_contain_text("Apache-2.0")
    expect(enhance).to_contain_text("of compute for a megapixel")
    versions = enhance.get_by_role("listitem")
    expect(versions.filter(has_text="Version 1")).to_contain_text("in use")
    expect(versions.filter(has_text="Version 2")).to_contain_text("not in use")
