"""What must hold after every fault, checked from what the actors wrote down and what the stack shows afterwards.

Each invariant gives its violations in words; their names are the specification.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

from backend.core import ids
from tests.faults.kinds import Fault
from tests.faults.ledger import Ledger
from tests.faults.stack import FaultStack
from tests.faults.workload import NEEDS, Workload
from tests.smoke.story import Person

SLOW_S = {"job": 30.0, "suggest": 10.0}  # an act that takes longer did not go on; what a page's reader bears:
SLOW_ELSE_S = 5.0


@dataclass(frozen=True, slots=True)
class Evidence:
    """Of one round, after all has settled. Times are monotonic."""

    ledger: Ledger
    fault: Fault
    began: float
    ended: float
    unended: Sequence[str]  # what the actors still waited for
    elements: Mapping[str, Mapping[str, Any]]  # of the board, as a newcomer gets it
    documents: Mapping[str, Mapping[str, Any]]  # as lists show them, by id
    assets: Mapping[str, Mapping[str, Any]]
    jobs: Mapping[str, Mapping[str, Any]]
    digests: Mapping[str, str]  # SHA-256 of the assets' bytes, by id
    is_member: bool
    charges: Counter[str]  # of jobs, by their UUID
    acts: int  # events of acts in the project


def gather(
    stack: FaultStack, workload: Workload, fault: Fault, *, began: float, ended: float, unended: Sequence[str]
) -> Evidence:
    """What the stack shows now, beside what the actors wrote down."""
    ada = workload.people["Ada"]
    project = f"/projects/{workload.project}"
    project_id = ids.parse("prj", workload.project)
    assets = _listed(ada, f"{project}/assets")
    members = _listed(ada, f"/workspaces/{workload.workspace}/members", name=lambda item: item["person"]["id"])
    charged = stack.rows("SELECT job_id::text FROM generations_charge WHERE project_id = %s", project_id)
    acts = stack.rows(
        "SELECT count(*) FROM core_event WHERE kind = 'act.used' AND data ->> 'project_id' = %s", workload.project
    )
    newcomer = workload.joined("Ada")
    return Evidence(
        ledger=workload.ledger,
        fault=fault,
        began=began,
        ended=ended,
        unended=unended,
        elements=newcomer.elements(),
        documents=_listed(ada, f"{project}/documents"),
        assets=assets,
        jobs=_listed(ada, f"{project}/jobs"),
        digests={key: _digest(ada, asset) for key, asset in assets.items() if asset["lineage"] is None},
        is_member=workload.people["Hal"].me["id"] in members,
        charges=Counter(row[0] for row in charged),
        acts=acts[0][0],
    )


def _listed(
    person: Person, path: str, *, name: Callable[[dict[str, Any]], str] = lambda item: str(item["id"])
) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    cursor = ""
    while True:
        page = person.get(f"{path}?limit=100{cursor}")
        found |= {name(item): item for item in page["items"]}
        if not page["next_cursor"]:
            return found
        cursor = f"&cursor={page['next_cursor']}"


def _digest(person: Person, asset: Mapping[str, Any]) -> str:
    url = urljoin(str(person.http.base_url), asset["renditions"]["original"]["url"])
    return hashlib.sha256(person.http.get(url, follow_redirects=True).content).hexdigest()


def nothing_acknowledged_is_lost(seen: Evidence) -> Iterator[str]:
    ledger = seen.ledger
    for key, value in ledger.strokes.items():
        if seen.elements.get(key) != value:
            yield f"the saved stroke {key} is {seen.elements.get(key)}"
    for what, answers, there in (
        ("document", ledger.documents, seen.documents),
        ("asset", ledger.assets, seen.assets),
        ("job", ledger.jobs, seen.jobs),
    ):
        yield from (f"{what} {a['id']} is gone" for a in answers.values() if a["id"] not in there)
    if seen.acts < ledger.acts:
        yield f"of {ledger.acts} acts {seen.acts} are recorded"
    if ledger.is_member is not None and ledger.is_member != seen.is_member:
        yield f"a change of the members was undone: {seen.is_member}"
    for job in ledger.ended_jobs.values():
        doomed = str(ids.parse("job", job["id"])) in seen.fault.doomed
        if (job["state"] == "succeeded") == doomed:
            yield f"job {job['id']} {job['state']}: {job['error']}"
    yield from seen.unended


def no_effect_is_doubled(seen: Evidence) -> Iterator[str]:
    ledger = seen.ledger
    for name, count in Counter(document["name"] for document in seen.documents.values()).items():
        if count > 1:
            yield f"{count} documents were made for the key {name}"
    for name, count in Counter(a["name"] for a in seen.assets.values() if a["lineage"] is None).items():
        if count > 1:
            yield f"{count} assets were made of the upload {name}"
    if seen.acts > ledger.tried["act"]:
        yield f"of {ledger.tried['act']} acts {seen.acts} are recorded"
    if len(seen.jobs) > ledger.tried["job"]:
        yield f"{ledger.tried['job']} jobs were asked for, {len(seen.jobs)} are there"
    results = Counter(a["lineage"]["job_id"] for a in seen.assets.values() if a["lineage"])
    placed = Counter((element.get("customData") or {}).get("jobId") for element in seen.elements.values())
    for job in seen.jobs.values():
        done = int(job["state"] == "succeeded")
        found = (results[job["id"]], placed[job["id"]], seen.charges[str(ids.parse("job", job["id"]))])
        if found != (done, done, done):
            yield f"job {job['id']} {job['state']} and has (assets, placements, charges) {found}"


def no_2xx_is_false(seen: Evidence) -> Iterator[str]:
    ledger = seen.ledger
    for answer in ledger.documents.values():
        if seen.documents.get(answer["id"], answer) != answer:
            yield f"document {answer} is {seen.documents[answer['id']]}"
    for name, answer in ledger.assets.items():
        if answer["name"] != name or seen.digests.get(answer["id"], answer["sha256"]) != answer["sha256"]:
            yield f"asset {answer['id']} has other bytes than were answered"
    yield from ledger.wrong_replays


def all_is_served_again(seen: Evidence) -> Iterator[str]:
    """How soon is measured by the bench, for machines are noisy."""
    for act, took_s in recovery_s(seen).items():
        if took_s is None:
            yield f"{act} never succeeded again: {seen.ledger.attempts_of(act)[-1:]}"


def recovery_s(seen: Evidence) -> dict[str, float | None]:
    """For each act, the seconds from the fault's end to its first success."""
    found: dict[str, float | None] = {}
    for act in NEEDS:
        at = seen.ledger.served_at(act, after=seen.ended)
        found[act] = None if at is None else at - seen.ended
    return found


def what_needs_no_absent_part_went_on(seen: Evidence) -> Iterator[str]:
    for act, needs in NEEDS.items():
        if needs & seen.fault.away:
            continue
        for attempt in seen.ledger.attempts_of(act, since=seen.began):
            if attempt.why:
                yield f"{act} failed {attempt.began - seen.began:.1f} s into the fault: {attempt.why}"
            elif attempt.took_s > SLOW_S.get(act, SLOW_ELSE_S):
                yield f"{act} took {attempt.took_s:.1f} s, begun {attempt.began - seen.began:.1f} s into the fault"


INVARIANTS: Sequence[Callable[[Evidence], Iterator[str]]] = (
    nothing_acknowledged_is_lost,
    no_effect_is_doubled,
    no_2xx_is_false,
    all_is_served_again,
    what_needs_no_absent_part_went_on,
)


def violations(seen: Evidence) -> list[str]:
    return [f"{invariant.__name__}: {found}" for invariant in INVARIANTS for found in invariant(seen)]
