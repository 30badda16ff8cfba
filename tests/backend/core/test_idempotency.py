"""A request that is sent again under one Idempotency-Key has one effect and one answer, whatever happens meanwhile."""

import json
import os
import secrets
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from django.db import connections
from django.test import Client
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from backend.assets.models import Asset
from backend.core import idempotency, ids, sealing, tenancy
from backend.core.models import Answer, Event
from backend.embedded import children
from backend.generations.models import Charge, Job
from backend.projects.models import Project
from backend.workspaces.services import remove_member
from tests.backend.api.test_jobs import ended, picture
from tests.conftest import VAR, Studio

Api = Callable[[Any], Client]
LiveApi = Callable[[Any], httpx.Client]


def create(client: Client, studio: Studio, key: str | None, name: str = "Harbour") -> Any:
    headers = {} if key is None else {"Idempotency-Key": key}
    address = f"/api/v1/workspaces/{studio.workspace_id}/projects"
    return client.post(address, {"name": name}, content_type="application/json", headers=headers)


def projects(studio: Studio) -> Counter[str]:
    with tenancy.acting(workspace_id=studio.workspace.id):
        return Counter(Project.objects.filter(workspace=studio.workspace).values_list("name", flat=True))


def test_the_answer_is_replayed(studio: Studio, api: Api) -> None:
    """Status, body, type and ETag are those of the first; a header says that it is a repetition."""
    first, second = (create(api(studio.ada), studio, "one-key") for _ in range(2))
    assert (second.status_code, second.content) == (201, first.content)
    assert {name: second[name] for name in ("Content-Type", "ETag")} == {
        name: first[name] for name in ("Content-Type", "ETag")
    }
    assert ("Idempotency-Replayed" in first, second["Idempotency-Replayed"]) == (False, "true")
    assert projects(studio)["Harbour"] == 1


def test_the_key_may_stand_in_quotes(studio: Studio, api: Api) -> None:
    """The draft writes it as a quoted string; most clients write it bare. Both are one key."""
    first, second = create(api(studio.ada), studio, "quoted"), create(api(studio.ada), studio, '"quoted"')
    assert first.json()["id"] == second.json()["id"]


def test_another_request_under_the_key_is_refused(studio: Studio, api: Api) -> None:
    """Another body, or the same at another address: 422, and nothing is made."""
    client = api(studio.ada)
    create(client, studio, "taken")
    other = create(client, studio, "taken", name="Other")
    elsewhere = client.post(
        f"/api/v1/projects/{studio.project_id}/documents",
        {"name": "Harbour"},
        content_type="application/json",
        headers={"Idempotency-Key": "taken"},
    )
    assert [answer.json()["code"] for answer in (other, elsewhere)] == ["idempotency_key_reused"] * 2
    assert projects(studio)["Other"] == 0


def test_a_key_is_its_person_s_own(studio: Studio, api: Api) -> None:
    """The same key of somebody else is another key."""
    ids = {create(api(person), studio, "shared").json()["id"] for person in (studio.ada, studio.bo)}
    assert len(ids) == 2


def test_a_refusal_is_not_kept(studio: Studio, api: Api) -> None:
    """What was refused had no effect: the mended request may use the key again."""
    client = api(studio.ada)
    assert create(client, studio, "mended", name="").status_code == 422
    assert create(client, studio, "mended").status_code == 201


def test_who_left_gets_no_old_answer(studio: Studio, api: Api) -> None:
    """After a removal the key answers as to a stranger; row-level security hides what was answered."""
    client = api(studio.bo)
    create(client, studio, "left")
    with tenancy.acting(workspace_id=studio.workspace.id):
        remove_member(studio.workspace, studio.bo.id, by=studio.ada.id)
    assert create(client, studio, "left").status_code == 404


def test_what_is_kept_is_sealed(studio: Studio, api: Api) -> None:
    """A ticket is a secret: the database holds its answer only sealed, and the replay has it whole."""
    client, address = api(studio.ada), f"/api/v1/documents/{studio.board_id}/tickets"
    first, second = (client.post(address, headers={"Idempotency-Key": "ticket"}) for _ in range(2))
    assert first.json() == second.json()
    with tenancy.acting(person_id=studio.ada.id):
        body = bytes(Answer.objects.get(key="ticket").body)
    assert first.json()["ticket"].encode() not in body
    assert sealing.unseal(body) == first.content


@pytest.mark.parametrize("key", ["", " ", "a b", "ä", "a,b", "a;b", 'a"b', "x" * 256, "x" * 10_000, '""'])
def test_malformed_keys_are_refused(studio: Studio, api: Api, key: str) -> None:
    """422 with a code, and nothing is made."""
    answer = create(api(studio.ada), studio, key)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert projects(studio)["Harbour"] == 0


def test_the_first_one_still_runs(studio: Studio, api: Api) -> None:
    """409 with Retry-After while another transaction holds the key."""
    started, finish = threading.Event(), threading.Event()

    def hold() -> None:
        with tenancy.acting(person_id=studio.ada.id):
            idempotency.Request(studio.ada.id, "slow", b"").begin()
            started.set()
            finish.wait(20)

    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(hold)
        assert started.wait(20)
        answer = create(api(studio.ada), studio, "slow")
        finish.set()
        held.result()
    assert (answer.status_code, answer.json()["code"], answer["Retry-After"]) == (409, "request_in_progress", "1")
    assert create(api(studio.ada), studio, "slow").status_code == 201


class Repeats(RuleBasedStateMachine):
    """Requests under few keys, first ones, repetitions and misuses, beside a model that is a dictionary."""

    studio: Studio
    api: Api

    def __init__(self) -> None:
        super().__init__()
        self.client = self.api(self.studio.ada)
        self.mark = secrets.token_hex(6)
        self.answered: dict[str, tuple[str, bytes]] = {}
        self.without_key = 0

    @rule(key=st.sampled_from("abc"), name=st.sampled_from(["Pier", "Quay"]))
    def ask(self, key: str, name: str) -> None:
        name = f"{name} {self.mark}"
        answer = create(self.client, self.studio, f"{key}-{self.mark}", name)
        known = self.answered.get(key)
        if known is None:
            assert answer.status_code == 201
            self.answered[key] = (name, answer.content)
        elif known[0] == name:
            assert (answer.status_code, answer.content) == (201, known[1])
        else:
            assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")

    @rule()
    def ask_without_key(self) -> None:
        assert create(self.client, self.studio, None, f"Pier {self.mark}").status_code == 201
        self.without_key += 1

    @rule(key=st.sampled_from("abc"))
    def be_refused(self, key: str) -> None:
        """A refusal leaves the key as it was."""
        assert create(self.client, self.studio, f"{key}-{self.mark}", "").status_code == 422

    @invariant()
    def each_key_has_one_effect(self) -> None:
        expected = Counter(name for name, _ in self.answered.values())
        expected[f"Pier {self.mark}"] += self.without_key
        found = projects(self.studio)
        assert {name: found[name] for name in expected} == dict(expected)


def test_any_order_of_requests(studio: Studio, api: Api) -> None:
    """The state machine above, on the real database."""
    machine = type("Bound", (Repeats,), {"studio": studio, "api": staticmethod(api)})
    checks = [HealthCheck.too_slow, HealthCheck.filter_too_much]
    run_state_machine_as_test(
        machine, settings=settings(max_examples=12, stateful_step_count=12, deadline=None, suppress_health_check=checks)
    )


def kill(part: str) -> None:
    """kill -9 of a process of the shared stack; its supervisor starts it again."""
    process = next(process for name, process, _ in children.running(VAR) if name == part)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(10)


@pytest.mark.slow
def test_a_thousand_repeats_while_processes_are_killed(studio: Studio, api: Api, live_api: LiveApi) -> None:
    """1,000 parallel repetitions of one POST of a job, web and worker killed meanwhile: one effect, equal answers."""
    asset_id = picture(api(studio.ada), studio)
    ada = live_api(studio.ada)
    address, headers = f"/api/v1/projects/{studio.project_id}/jobs", {"Idempotency-Key": secrets.token_hex(8)}
    body = {"task": "enhance", "input_asset_id": asset_id, "parameters": {"scale": 2}}
    until = time.monotonic() + 100

    def ask(_number: int) -> bytes:
        """As a client does: again after 409, after 5xx and after a lost connection."""
        while time.monotonic() < until:
            try:
                answer = ada.post(address, json=body, headers=headers)
            except httpx.TransportError:
                time.sleep(0.2)
                continue
            if answer.status_code == 202:
                return answer.content
            assert answer.status_code in (409, 503), answer.text
            time.sleep(0.05)
        raise TimeoutError

    with ThreadPoolExecutor(50) as pool:
        pending = [pool.submit(ask, number) for number in range(1000)]
        for after_s, part in ((0.3, "web"), (1.0, "worker"), (1.5, "web")):
            time.sleep(after_s)
            kill(part)
        answers = {future.result() for future in pending}
    assert len(answers) == 1
    job = ended(api(studio.ada), json.loads(answers.pop())["id"])
    assert job["state"] == "succeeded"
    with tenancy.acting(workspace_id=studio.workspace.id):
        assert list(Job.objects.values_list("id", flat=True)) == [ids.parse("job", job["id"])]
        assert Charge.objects.count() == 1
        kinds = Counter(Event.objects.filter(resource=job["id"]).values_list("kind", flat=True))
        assert Asset.objects.count() == 2
    assert kinds == {"job.submitted": 1, "job.succeeded": 1}


def test_old_answers_are_dropped(studio: Studio, api: Api) -> None:
    """The relay's chore, as the role `system`: what is older than its keeping goes, the rest stays."""
    create(api(studio.ada), studio, "old")
    create(api(studio.ada), studio, "young")
    with connections["owner"].cursor() as cursor:
        cursor.execute("ALTER TABLE core_answer NO FORCE ROW LEVEL SECURITY")
        cursor.execute(
            "UPDATE core_answer SET created_at = now() - interval '2 days' WHERE person_id = %s AND key = 'old'",
            [studio.ada.id],
        )
        cursor.execute("ALTER TABLE core_answer FORCE ROW LEVEL SECURITY")
    connections["system"].ensure_connection()
    dropped = idempotency.prune(connections["system"].connection, keep_s=86_400, limit=1000)
    assert dropped >= 1
    with tenancy.acting(person_id=studio.ada.id):
        assert set(Answer.objects.values_list("key", flat=True)) == {"young"}
