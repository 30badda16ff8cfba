"""The invariants find what they are there to find: each kind of breach in evidence that is sound without it."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from backend.core import ids
from tests.faults.invariants import Evidence, violations
from tests.faults.kinds import Fault
from tests.faults.ledger import Attempt, Ledger
from tests.faults.workload import NEEDS

BEGAN, ENDED = 100.0, 103.0
JOB = ids.new_id()
JOB_ID, ASSET_ID = ids.show("job", JOB), ids.show("ast", ids.new_id())
DOCUMENT = {"id": "doc_1", "name": "create-1"}
PHOTO = {"id": "ast_photo", "name": "photo.jpg", "sha256": "aa", "lineage": None}
RESULT = {"id": ASSET_ID, "name": "result", "sha256": "bb", "lineage": {"job_id": JOB_ID}}
DONE = {"id": JOB_ID, "state": "succeeded", "error": None}


def sound() -> Evidence:
    """A stroke, a document, a photo, a job and an act, all acknowledged and there; each act served before and after."""
    moments = (BEGAN - 1, BEGAN + 1, ENDED + 1)
    ledger = Ledger(
        attempts=[Attempt(act, at, at + 0.1, "") for act in NEEDS for at in moments],
        tried=Counter({"act": 1, "job": 1, "create": 1}),
        strokes={"stroke": {"x": 1}},
        documents={"create-1": DOCUMENT},
        assets={"photo.jpg": PHOTO},
        jobs={"job-1": DONE},
        ended_jobs={JOB_ID: DONE},
        acts=1,
        is_member=True,
    )
    return Evidence(
        ledger=ledger,
        fault=Fault("none", frozenset()),
        began=BEGAN,
        ended=ENDED,
        unended=[],
        elements={"stroke": {"x": 1}, "result": {"customData": {"jobId": JOB_ID}}},
        documents={"doc_1": DOCUMENT},
        assets={"ast_photo": PHOTO, ASSET_ID: RESULT},
        jobs={JOB_ID: DONE},
        digests={"ast_photo": "aa"},
        is_member=True,
        charges=Counter({str(JOB): 1}),
        acts=1,
    )


def with_attempt(seen: Evidence, attempt: Attempt) -> Evidence:
    return replace(seen, ledger=replace(seen.ledger, attempts=[*seen.ledger.attempts, attempt]))


def without_attempts_after(seen: Evidence, moment: float) -> Evidence:
    kept = [attempt for attempt in seen.ledger.attempts if attempt.began < moment]
    return replace(seen, ledger=replace(seen.ledger, attempts=kept))


Breach = Callable[[Evidence], Evidence]
BREACHES: list[tuple[str, Breach]] = [
    ("nothing_acknowledged_is_lost", lambda e: replace(e, elements={**e.elements, "stroke": {"x": 2}})),
    ("nothing_acknowledged_is_lost", lambda e: replace(e, documents={})),
    ("nothing_acknowledged_is_lost", lambda e: replace(e, assets={ASSET_ID: RESULT})),
    ("nothing_acknowledged_is_lost", lambda e: replace(e, acts=0)),
    ("nothing_acknowledged_is_lost", lambda e: replace(e, is_member=False)),
    ("nothing_acknowledged_is_lost", lambda e: replace(e, unended=["job 1 has not ended"])),
    ("nothing_acknowledged_is_lost", lambda e: replace(e, fault=replace(e.fault, doomed={str(JOB)}))),
    ("no_effect_is_doubled", lambda e: replace(e, documents={**e.documents, "doc_2": {**DOCUMENT, "id": "doc_2"}})),
    ("no_effect_is_doubled", lambda e: replace(e, assets={**e.assets, "ast_2": {**PHOTO, "id": "ast_2"}})),
    ("no_effect_is_doubled", lambda e: replace(e, acts=2)),
    ("no_effect_is_doubled", lambda e: replace(e, charges=Counter({str(JOB): 2}))),
    ("no_effect_is_doubled", lambda e: replace(e, elements={**e.elements, "again": e.elements["result"]})),
    ("no_2xx_is_false", lambda e: replace(e, documents={"doc_1": {**DOCUMENT, "name": "another"}})),
    ("no_2xx_is_false", lambda e: replace(e, digests={"ast_photo": "cc"})),
    ("all_is_served_again", lambda e: without_attempts_after(e, ENDED)),
    ("what_needs_no_absent_part_went_on", lambda e: with_attempt(e, Attempt("read", 101.0, 101.1, "503"))),
    ("what_needs_no_absent_part_went_on", lambda e: with_attempt(e, Attempt("edit", 101.0, 107.0, ""))),
]


def test_sound_evidence_shows_nothing() -> None:
    """Else each round would fail."""
    assert violations(sound()) == []


@pytest.mark.parametrize(("invariant", "breach"), BREACHES)
def test_a_breach_is_found(invariant: str, breach: Breach) -> None:
    """By the invariant that forbids it."""
    assert {found.partition(":")[0] for found in violations(breach(sound()))} == {invariant}


def test_what_needs_the_absent_part_may_fail() -> None:
    """Until the fault is over."""
    seen = replace(sound(), fault=Fault("S3 is away", frozenset({"s3"})))
    failed = with_attempt(seen, Attempt("upload", 101.0, 101.1, "503"))
    assert violations(failed) == []
