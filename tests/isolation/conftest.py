"""Hides who calls: people in each role, a foreigner, a stranger, nobody, and what each shows to be known."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from backend.core import tenancy
from backend.workspaces import tokens
from backend.workspaces.models import ApiToken, Member, Person
from backend.workspaces.rights import SCOPES, Act, Role
from tests.conftest import Stack
from tests.isolation.tenants import Tenant, make_person, make_tenant, mark

CALLERS = [
    *Role.values,
    *(f"{scope} token" for scope in SCOPES),
    "viewer's token",
    "token of another workspace",
    "foreigner",
    "stranger",
    "nobody",
    "ended session",
    "expired token",
    "revoked token",
]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and with what. `person` is None for those who are nobody to us."""

    name: str
    client: Client
    person: Person | None = None
    role: Role | None = None  # in the tenants that are walked through
    scopes: frozenset[Act] | None = None  # of a token; None for a person in a browser


@dataclass(frozen=True, slots=True)
class World:
    """`lively` takes what is allowed; in `quiet` only what must be refused is tried, so that nothing happens there.

    Both have the same people in the same roles, whose names and addresses have `mark`. `away` is the foreigner's;
    `beyond` is one more of the owner's own.
    """

    mark: str
    lively: Tenant
    quiet: Tenant
    away: Tenant
    beyond: Tenant
    callers: dict[str, Caller]

    def workspaces_of(self, caller: Caller) -> list[uuid.UUID]:
        """Of which the caller's person is a member."""
        tenants = (self.lively, self.quiet, self.away, self.beyond)
        mine = [tenant.workspace.id for tenant in tenants if caller.person in tenant.people.values()]
        return mine if caller.person is None else mine + _founded_by(caller.person, besides=tenants)


def _founded_by(person: Person, *, besides: tuple[Tenant, ...]) -> list[uuid.UUID]:
    """The workspaces that the person came to have on the walk."""
    with tenancy.acting(person_id=person.id):
        rows = Member.objects.filter(person=person).exclude(workspace__in=[tenant.workspace for tenant in besides])
        return list(rows.values_list("workspace_id", flat=True))


def signed_in(person: Person, *, ended: bool = False) -> Client:
    client = Client()
    client.force_login(person, backend=settings.AUTHENTICATION_BACKENDS[0])
    if ended:
        client.session.flush()  # on the server alone: the client still sends its cookie
    return client


def with_token(
    person: Person, scopes: set[Act], *, of: Tenant | None = None, end: Callable[[ApiToken], None] | None = None
) -> Client:
    """A program with a token of `person`, bound to the workspace `of` if there is one, after `end` of the token."""
    workspace = of.workspace if of else None
    with tenancy.acting(person_id=person.id, workspace_id=workspace.id if workspace else None):
        secret, token = tokens.make_token(person.id, name="Program", scopes=scopes, days=9, workspace=workspace)
        if end:
            end(token)
    return Client(enforce_csrf_checks=True, headers={"Authorization": f"Bearer {secret}"})


def expire(token: ApiToken) -> None:
    ApiToken.objects.filter(pk=token.pk).update(expires_at=timezone.now() - timedelta(seconds=1))


def revoke(token: ApiToken) -> None:
    tokens.revoke_token(token.person_id, token.id)


@pytest.fixture(scope="session")
def world(stack: Stack, django_db_setup: None) -> World:
    marked = mark()
    people = {Role(role): make_person(role, marked) for role in Role.values}
    owner, viewer = people[Role.OWNER], people[Role.VIEWER]
    everything: set[Act] = set(SCOPES)
    lively, quiet = make_tenant(people), make_tenant(people)
    foreigner, stranger = make_person("foreigner", mark()), make_person("stranger", mark())
    away, beyond = make_tenant({Role.OWNER: foreigner}), make_tenant({Role.OWNER: owner})
    callers = [
        *(Caller(role, signed_in(person), person, role) for role, person in people.items()),
        *(
            Caller(f"{scope} token", with_token(owner, {scope}), owner, Role.OWNER, frozenset({Act.READ, scope}))
            for scope in SCOPES
        ),
        Caller("viewer's token", with_token(viewer, everything), viewer, Role.VIEWER, frozenset(SCOPES)),
        Caller("token of another workspace", with_token(owner, everything, of=beyond), owner, None, frozenset(SCOPES)),
        Caller("foreigner", signed_in(foreigner), foreigner),
        Caller("stranger", signed_in(stranger), stranger),
        Caller("nobody", Client()),
        Caller("ended session", signed_in(owner, ended=True)),
        Caller("expired token", with_token(owner, everything, end=expire)),
        Caller("revoked token", with_token(owner, everything, end=revoke)),
    ]
    assert [caller.name for caller in callers] == CALLERS
    return World(marked, lively, quiet, away, beyond, {caller.name: caller for caller in callers})
