"""The real stack that tests run on: started once, lazily, under a scratch `var`; each test has a studio of its own.

ATELIER_TEST_VAR names a `var` to keep: a stack that runs there is used, else one is started there, so that a second run
of some tests starts quicker. Tests commit for real; nothing is rolled back and nothing is shared between two studios.
"""

import os
import secrets
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# What the tests were started with: a stack of a test's own must not inherit the addresses of the shared one.
CLEAN_ENVIRONMENT = dict(os.environ)
_KEPT_VAR = os.environ.get("ATELIER_TEST_VAR", "")
VAR = Path(_KEPT_VAR or tempfile.mkdtemp(prefix="atelier-test-")).resolve()
VAR.mkdir(exist_ok=True)
VAR.chmod(0o755)  # PostgreSQL walks through it as another user

from backend.embedded import plan as plans  # noqa: E402 - the folder comes first
from backend.embedded.plan import Plan  # noqa: E402 - as above


def _settled() -> Plan:
    """Addresses and passwords, before anything runs there: Django reads them at import."""
    plan = plans.load(VAR, web_port=None, demo=True)
    running = VAR / "embedded.env"
    if running.exists() and _is_held(VAR):
        lines = [line.partition("=") for line in running.read_text().splitlines() if "=" in line]
        url = {key: value for key, _, value in lines}["ATELIER_URL"]
        return plans.load(VAR, web_port=plans.port_of(url), demo=True, url=url)
    plan.write_settings()
    return plan


def _is_held(var: Path) -> bool:
    try:
        with plans.held(var):
            return False
    except plans.AlreadyRunning:
        return True


PLAN = _settled()
os.environ.update({**PLAN.settings(), "ATELIER_VAR": str(VAR), "DJANGO_SETTINGS_MODULE": "backend.settings"})
os.environ.update(OMP_WAIT_POLICY="passive", GOMP_SPINCOUNT="0")

import django  # noqa: E402 - it reads what was just set

django.setup()

import httpx  # noqa: E402 - after the setup, with the rest
import pytest  # noqa: E402 - as above
from django.conf import settings  # noqa: E402 - as above
from django.test import Client  # noqa: E402 - as above
from pytest_django import DjangoDbBlocker  # noqa: E402 - as above

from backend.core import ids, tenancy  # noqa: E402 - as above
from backend.embedded import children  # noqa: E402 - as above
from backend.embedded.parts import PARTS  # noqa: E402 - as above
from backend.embedded.progress import Silent  # noqa: E402 - as above
from backend.embedded.supervisor import Supervisor  # noqa: E402 - as above
from backend.projects.models import Document, DocumentKind, Project  # noqa: E402 - as above
from backend.projects.services import create_document, create_project  # noqa: E402 - as above
from backend.workspaces.models import Person, Workspace  # noqa: E402 - as above
from backend.workspaces.rights import Role  # noqa: E402 - as above
from backend.workspaces.services import add_member, create_person, create_workspace  # noqa: E402 - as above
from tests.contracts import check_answer  # noqa: E402 - as above


@dataclass(frozen=True, slots=True)
class Stack:
    """The running stack: the live web process is at `base_url`; worker, relay, learner and Triton run behind it."""

    plan: Plan
    base_url: str
    ws_url: str


@dataclass(frozen=True, slots=True)
class Studio:
    """A workspace with its owner Ada and its editor Bo, one project and one board in it."""

    ada: Person
    bo: Person
    workspace: Workspace
    project: Project
    board: Document

    @property
    def ada_id(self) -> str:
        return ids.show("per", self.ada.pk)

    @property
    def bo_id(self) -> str:
        return ids.show("per", self.bo.pk)

    @property
    def workspace_id(self) -> str:
        return ids.show("wsp", self.workspace.pk)

    @property
    def project_id(self) -> str:
        return ids.show("prj", self.project.pk)

    @property
    def board_id(self) -> str:
        return ids.show("doc", self.board.pk)


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """The one stack of this run, with every part that the issue names. Started when the first test asks for it."""
    running = Stack(PLAN, PLAN.url, PLAN.url.replace("http", "ws", 1))
    with ExitStack() as held:
        try:
            held.enter_context(plans.held(VAR))
        except plans.AlreadyRunning:
            yield running  # somebody keeps it alive for us
            return
        children.clear_left_over(VAR, stops={part.name: part.dies_by for part in PARTS})
        supervisor = Supervisor(PLAN, progress=Silent())
        held.callback(supervisor.stop)
        supervisor.start()
        yield running


@pytest.fixture(scope="session")
def django_db_setup(stack: Stack) -> None:
    """No test database: the stack's own, migrated by the supervisor."""


@pytest.fixture(scope="session", autouse=True)
def _real_database(django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Every test may use the database; tests that need none ask for no fixture, and nothing is started."""
    with django_db_blocker.unblock():
        yield


def make_studio() -> Studio:
    """People with addresses that nobody else has, and what they share, written by the services and committed."""
    mark = uuid.uuid4().hex[:12]
    with tenancy.acting():
        ada, bo = (create_person(email=f"{name}-{mark}@test.invalid", name=name.title()) for name in ("ada", "bo"))
        workspace = create_workspace(name=f"Studio {mark}", owner=ada)
        add_member(workspace, email=bo.email, role=Role.EDITOR, by=ada.id)
        project = create_project(workspace, name="Night Market", by=ada.id)
        board = create_document(project, kind=DocumentKind.BOARD, name="Night Market", by=ada.id)
    return Studio(ada, bo, workspace, project, board)


@pytest.fixture
def studio(stack: Stack) -> Studio:
    return make_studio()


@pytest.fixture
def other_studio(stack: Stack) -> Studio:
    """Another tenant, foreign to `studio`."""
    return make_studio()


class CheckedClient(Client):
    """Django's test client; each answer of the API must be one that openapi.json tells of."""

    def request(self, **request: Any) -> Any:
        answer = super().request(**request)
        check_answer(answer)
        return answer


@pytest.fixture
def api(stack: Stack) -> Callable[[Person], Client]:
    """`api(person)`: Django's test client, signed in; it runs in this process."""

    def sign_in(person: Person) -> Client:
        client = CheckedClient()
        client.force_login(person, backend=settings.AUTHENTICATION_BACKENDS[0])
        return client

    return sign_in


@pytest.fixture
def live_api(stack: Stack, api: Callable[[Person], Client]) -> Iterator[Callable[[Person], httpx.Client]]:
    """`live_api(person)`: an HTTP client of the live web process, signed in, with the cookie and header for CSRF."""
    with ExitStack() as opened:

        def sign_in(person: Person) -> httpx.Client:
            token = secrets.token_hex(16)
            cookies = {"sessionid": api(person).cookies["sessionid"].value, "csrftoken": token}
            headers = {"X-CSRFToken": token, "Origin": stack.base_url}
            client = httpx.Client(base_url=stack.base_url, cookies=cookies, headers=headers, timeout=20.0)
            return opened.enter_context(client)

        yield sign_in


def pytest_unconfigure() -> None:
    """Leave nothing behind: the stack has stopped by now."""
    if not _KEPT_VAR:
        shutil.rmtree(VAR, ignore_errors=True)
