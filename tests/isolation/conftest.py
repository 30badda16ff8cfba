"""Hides who calls: people in each role, a foreigner, a stranger, nobody, and what each shows to be known."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass

import pytest
from django.conf import settings
from django.test import Client

from backend.workspaces.models import Person
from backend.workspaces.rights import Role
from tests.conftest import Stack
from tests.isolation.tenants import Tenant, make_person, make_tenant, mark


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and with what. `person` is None for those who are nobody to us; `tenant` is their own, if any."""

    name: str
    client: Client
    person: Person | None = None
    tenant: Tenant | None = None
    role: Role | None = None  # in the tenants that are walked through


@dataclass(frozen=True, slots=True)
class World:
    """`lively` takes what is allowed; in `quiet` only what must be refused is tried, so that nothing happens there.

    Both have the same people in the same roles. `away` is another tenant.
    """

    lively: Tenant
    quiet: Tenant
    away: Tenant
    callers: dict[str, Caller]

    @property
    def members(self) -> list[Caller]:
        return [caller for caller in self.callers.values() if caller.role]

    @property
    def outsiders(self) -> list[Caller]:
        return [caller for caller in self.callers.values() if caller.person and not caller.role]

    def workspaces_of(self, caller: Caller) -> Iterable[uuid.UUID]:
        tenants = (self.lively, self.quiet) if caller.role else (caller.tenant,)
        return [tenant.workspace.id for tenant in tenants if tenant]


def signed_in(person: Person, *, ended: bool = False) -> Client:
    client = Client()
    client.force_login(person, backend=settings.AUTHENTICATION_BACKENDS[0])
    if ended:
        client.session.flush()  # on the server alone: the client still sends its cookie
    return client


@pytest.fixture(scope="session")
def world(stack: Stack, django_db_setup: None) -> World:
    marked = mark()
    people = {Role(role): make_person(role, marked) for role in Role.values}
    lively, quiet = make_tenant(people, marked), make_tenant(people, marked)
    elsewhere = mark()
    foreigner, stranger = make_person("foreigner", elsewhere), make_person("stranger", mark())
    away = make_tenant({Role.OWNER: foreigner}, elsewhere)
    callers = [
        *(Caller(role, signed_in(person), person, role=role) for role, person in people.items()),
        Caller("foreigner", signed_in(foreigner), foreigner, away),
        Caller("stranger", signed_in(stranger), stranger),
        Caller("nobody", Client()),
        Caller("ended session", signed_in(quiet.owner, ended=True)),
    ]
    return World(lively, quiet, away, {caller.name: caller for caller in callers})
