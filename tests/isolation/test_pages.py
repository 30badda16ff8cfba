"""The walk over every route that is not an operation of the API: pages, health, sign-in, documentation."""

import pytest

from tests.isolation.conftest import World, signed_in
from tests.isolation.routes import PAGES, pages
from tests.isolation.watch import contents, leaks, told_by, watching


def test_every_page_has_an_expectation() -> None:
    """Who adds a route outside the API writes down in `routes.PAGES` where it is."""
    assert set(pages()) == PAGES.keys()


@pytest.mark.parametrize("route", sorted(PAGES))
@pytest.mark.parametrize("who", ["foreigner", "stranger", "nobody"])
def test_pages_tell_nothing_and_do_nothing(world: World, route: str, who: str) -> None:
    """Whatever the method: never a 5xx, nothing of another tenant in the answer, nothing changed there."""
    caller = world.callers[who]
    client = signed_in(caller.person) if caller.person else caller.client  # a session that may end here
    before = contents(world.quiet)
    for method in ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"):
        with watching(world.workspaces_of(caller), caller.person) as sight:
            answer = client.generic(method, PAGES[route].format(**world.quiet.things), "{}", "application/json")
        assert (method, answer.status_code < 500) == (method, True)
        assert leaks(told_by(answer), marks={world.quiet.mark, world.mark}, ids=before.ids) == set()
        assert sight.foreign == {}
        answer.close()
    assert contents(world.quiet) == before
