"""The walk: every operation of the API × everybody who could call it."""

import uuid
from typing import Any

import pytest
from django.http import HttpResponseBase
from django.test import Client

from backend.core import ids
from backend.workspaces.models import Person
from backend.workspaces.rights import Act, Limit, Role, may
from tests.isolation.conftest import Caller, World
from tests.isolation.routes import NEEDS, Door, Need, Operation, Things, operations
from tests.isolation.tenants import Tenant
from tests.isolation.watch import contents, leaks, told_by, watching

ALL = operations()
OPERATIONS = [operation for operation in ALL if operation.name in NEEDS]
PEOPLE = [*Role.values, "foreigner", "stranger"]
OK = 200  # stands for every status below 300


def test_every_operation_has_an_expectation() -> None:
    """Who adds a route writes down in `routes.NEEDS` what it needs; who drops one takes it out."""
    assert {operation.name for operation in ALL} == NEEDS.keys()


def expected(need: Need, caller: Caller) -> int:
    """The status that the table of rights gives."""
    if need.of is Door.PUBLIC:  # but who shows a token is judged by it
        return 401 if caller.person is None and "token" in caller.name else OK
    if caller.person is None:
        return 401
    if need.session and caller.scopes is not None:
        return 403
    if need.of is Door.ADDRESSEE:
        return 403
    if not isinstance(need.of, Act):
        return OK
    if caller.role is None:
        return 404
    limit = None if caller.scopes is None else Limit(caller.scopes)
    return OK if may(caller.role, need.of, limit) else 403


def things_for(need: Need, tenant: Tenant, by: Person) -> Things:
    """The tenant's things, with fresh ones where the call uses one up."""
    return {**tenant.things, **{word: make(tenant, by) for word, make in need.fresh.items()}}


def call(client: Client, operation: Operation, need: Need, things: Things) -> HttpResponseBase:
    body = need.body(things) if need.body else None
    sent: dict[str, Any] = {"data": body, "content_type": "application/json"} if body is not None else {}
    headers = {"If-Match": "*"} if operation.method in ("PATCH", "DELETE") else {}
    send = getattr(client, operation.method.lower())
    answer: HttpResponseBase = send(operation.path.format(**things), **sent, headers=headers)
    return answer


def refusal(answer: HttpResponseBase) -> dict[str, Any]:
    assert answer["Content-Type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()  # type: ignore[attr-defined]  # the test client adds it
    assert problem["status"] == answer.status_code
    return problem


def nothing_of_quiet(
    world: World, caller: Caller, answer: HttpResponseBase, ids_there: frozenset[uuid.UUID] | None = None
) -> None:
    """The answer tells nothing of the tenant, but what it tells the caller of themselves."""
    known = {caller.person.id} if caller.person else set()
    marks = {world.quiet.mark} if caller.person in world.quiet.people.values() else {world.quiet.mark, world.mark}
    there = contents(world.quiet).ids if ids_there is None else ids_there
    assert leaks(told_by(answer), marks=marks, ids=there - known) == set(), caller.name


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_everybody_gets_what_the_rights_say(world: World, operation: Operation) -> None:
    """2xx for whom it is allowed, 403 for members, 404 for others, 401 for nobody; refused calls change nothing."""
    need = NEEDS[operation.name]
    wanted = {name: expected(need, caller) for name, caller in world.callers.items()}
    things = {}
    for name, caller in world.callers.items():
        tenant = world.lively if wanted[name] == OK else world.quiet
        own = caller.person if caller.role or not isinstance(need.of, Act) else None
        things[name] = things_for(need, tenant, own or tenant.owner)
    before, got = contents(world.quiet), {}

    def ask(name: str) -> None:
        caller = world.callers[name]
        with watching(world.workspaces_of(caller), caller.person) as sight:
            answer = call(caller.client, operation, need, things[name])
        got[name] = OK if answer.status_code < 300 else refusal(answer)["status"]
        assert sight.foreign == {} or need.founds, name
        if caller.role is None and need.of is not Door.PUBLIC:  # a letter tells whoever holds it what it invites to
            nothing_of_quiet(world, caller, answer, before.ids)

    for name in [name for name, status in wanted.items() if status != OK]:
        ask(name)
    assert contents(world.quiet) == before
    for name in [name for name, status in wanted.items() if status == OK]:
        ask(name)
    assert got == wanted
    assert contents(world.quiet).rows == before.rows


WITH_THINGS = [operation for operation in OPERATIONS if isinstance(NEEDS[operation.name].of, Act)]


def unknown(word: str, shown: str) -> str:
    """An id of the same kind that names nothing."""
    return ids.show(shown.partition("_")[0], ids.new_id()) if word.endswith("_id") else shown


class Asked(dict[str, str]):
    """Things that remember which of them were asked for."""

    def __init__(self, things: Things) -> None:
        super().__init__(things)
        self.words: set[str] = set()

    def __getitem__(self, word: str) -> str:
        self.words.add(word)
        return super().__getitem__(word)


def words_of(operation: Operation, need: Need, tenant: Tenant) -> list[str]:
    """Every id that the operation takes, in its address and in its body."""
    asked = Asked(things_for(need, tenant, tenant.owner))
    if need.body:
        need.body(asked)
    return sorted(word for word in {*operation.words, *asked.words} if word.endswith("_id"))


@pytest.mark.parametrize("operation", WITH_THINGS, ids=lambda operation: operation.name)
@pytest.mark.parametrize("who", ["foreigner", "stranger"])
def test_what_is_foreign_answers_as_what_is_not_there(world: World, operation: Operation, who: str) -> None:
    """The same status, headers' names and body as for ids that name nothing."""
    caller, need = world.callers[who], NEEDS[operation.name]
    things = things_for(need, world.quiet, world.quiet.owner)
    foreign = call(caller.client, operation, need, things)
    missing = call(caller.client, operation, need, {word: unknown(word, id_) for word, id_ in things.items()})
    assert refusal(foreign) == refusal(missing)
    assert foreign.headers.keys() == missing.headers.keys()


@pytest.mark.parametrize("operation", WITH_THINGS, ids=lambda operation: operation.name)
def test_one_foreign_id_among_ones_own(world: World, operation: Operation) -> None:
    """In the foreigner's own workspace, each id in turn, also those in the body: still 404, and nothing comes of it."""
    caller, need = world.callers["foreigner"], NEEDS[operation.name]
    assert caller.person is not None
    for word in words_of(operation, need, world.away):
        theirs = things_for(need, world.quiet, world.quiet.owner)
        mine = things_for(need, world.away, caller.person)
        before = contents(world.quiet)
        with watching(world.workspaces_of(caller), caller.person) as sight:
            answer = call(caller.client, operation, need, {**mine, word: theirs[word]})
        missing = call(caller.client, operation, need, {**mine, word: unknown(word, theirs[word])})
        assert (word, answer.status_code) == (word, 404)
        assert refusal(answer) == refusal(missing)
        assert contents(world.quiet) == before
        assert sight.foreign == {}
        nothing_of_quiet(world, caller, answer)


def for_others(need: Need, role: Role | None) -> int:
    """The status for a thing that was made for somebody else."""
    if need.others == 404 or role is None:  # not even seen
        return 404
    rights = [right for right in (need.of, need.others) if isinstance(right, Act)]
    return OK if need.others != 403 and all(may(role, right) for right in rights) else 403


@pytest.mark.parametrize(
    ("operation", "who"),
    [(operation, who) for operation in OPERATIONS if NEEDS[operation.name].others for who in PEOPLE],
    ids=lambda value: getattr(value, "name", value),
)
def test_things_of_a_colleague(world: World, operation: Operation, who: str) -> None:
    """Where a thing is somebody's own, the others get what the expectation says, whatever their role allows."""
    caller, need = world.callers[who], NEEDS[operation.name]
    colleague = world.quiet.people[Role.ADMIN if who == Role.OWNER else Role.OWNER]
    status = for_others(need, caller.role)
    tenant = world.lively if status == OK else world.quiet
    things = things_for(need, tenant, colleague)
    before = contents(world.quiet)
    answer = call(caller.client, operation, need, things)
    assert (answer.status_code // 100 * 100 if status == OK else answer.status_code) == status
    assert contents(world.quiet) == before


@pytest.mark.parametrize(
    "operation", [it for it in OPERATIONS if it.method not in ("GET", "HEAD")], ids=lambda operation: operation.name
)
def test_a_page_of_another_site_can_do_nothing(world: World, operation: Operation) -> None:
    """The owner's cookie alone, as a form on a foreign page would send it: 403, and nothing changed."""
    need, owner = NEEDS[operation.name], world.quiet.owner
    client = Client(enforce_csrf_checks=True)
    client.cookies = world.callers[Role.OWNER].client.cookies
    things = things_for(need, world.quiet, owner)
    before = contents(world.quiet)
    answer = call(client, operation, need, things)
    assert (answer.status_code, refusal(answer)["code"]) == (403, "forbidden")
    assert contents(world.quiet) == before
