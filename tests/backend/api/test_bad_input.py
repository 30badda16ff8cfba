"""One law over every operation and everything bad that can be sent to it: a 4xx problem, nothing written, nothing told.

Each operation of `routes.NEEDS` is called as its owner would call it, with one thing wrong. Nothing of what was sent
appears in the log, for it may be private.
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from django.http import HttpResponseBase
from django.test import Client

from backend.api.api import api
from backend.core.errors import AppError
from tests.isolation.conftest import World
from tests.isolation.routes import NEEDS, Need, Operation, operations
from tests.isolation.test_routes import things_for
from tests.isolation.watch import contents

TYPED_ID = re.compile("[a-z]{3}_[0-9a-z]{26}")
PRIVATE = "Sesam42"  # stands in everything bad that has room for it
OPERATIONS = [operation for operation in operations() if operation.name in NEEDS]
WITH_BODY = [operation for operation in OPERATIONS if NEEDS[operation.name].body]
WITH_IDS = [operation for operation in OPERATIONS if operation.words]


def name_of(operation: Operation) -> str:
    return operation.name


@dataclass(frozen=True, slots=True)
class Call:
    """A request to be: all is right in it until something is replaced."""

    operation: Operation
    path: str
    content: bytes = b""
    media_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def body(self) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads(self.content)
        return parsed

    def with_body(self, body: object) -> "Call":
        return replace(self, content=json.dumps(body).encode())

    def send(self, client: Client) -> HttpResponseBase:
        return client.generic(self.operation.method, self.path, self.content, self.media_type, headers=self.headers)


def right(world: World, operation: Operation) -> Call:
    """As the owner of the quiet tenant would call it."""
    need: Need = NEEDS[operation.name]
    things = things_for(need, world.quiet, world.quiet.owner)
    content = json.dumps(need.body(things)).encode() if need.body else b""
    headers = {"If-Match": "*"} if operation.method in ("PATCH", "DELETE") else {}
    return Call(operation, operation.path.format(**things), content, headers=headers)


def codes(kind: type[AppError] = AppError) -> set[str]:
    return {kind.code} | {code for child in kind.__subclasses__() for code in codes(child)}


def refused(answer: HttpResponseBase) -> int:
    """The status of a problem that is the asker's fault."""
    assert 400 <= answer.status_code < 500
    assert answer["Content-Type"] == "application/problem+json"
    problem = answer.json()  # type: ignore[attr-defined]  # the test client adds it
    assert problem["code"] in codes()
    assert problem["status"] == answer.status_code
    assert PRIVATE not in json.dumps(problem)
    return answer.status_code


@dataclass(frozen=True, slots=True)
class Law:
    """Sends what is bad and holds the answers to the law of this module; at its end nothing has changed."""

    world: World
    client: Client
    log: pytest.LogCaptureFixture

    def refuses(self, call: Call) -> int:
        """The status of the refusal."""
        self.log.clear()
        status = refused(call.send(self.client))
        assert PRIVATE not in "\n".join(str(record.msg) + str(record.args) for record in self.log.records)
        assert "ERROR" not in {record.levelname for record in self.log.records}
        return status

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        before = contents(self.world.quiet)
        yield
        assert contents(self.world.quiet) == before


@pytest.fixture
def law(world: World, caplog: pytest.LogCaptureFixture) -> Iterator[Law]:
    client = world.callers["owner"].client
    client.raise_request_exception = False
    yield Law(world, client, caplog)
    client.raise_request_exception = True


# --- bodies that are no JSON object, whatever the operation

DEEP = 100_000
BROKEN: dict[str, bytes] = {
    "nothing": b"",
    "a word": PRIVATE.encode(),
    "null": b"null",
    "a list": b"[]",
    "a string": f'"{PRIVATE}"'.encode(),
    "a number": b"1",
    "cut off": b'{"name": "' + PRIVATE.encode(),
    "two": b"{}{}",
    "not UTF-8": b'{"name": "\xff\xfe"}',
    "UTF-16": '{"name": "Sesam42"}'.encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "deep lists": b"[" * DEEP + b"]" * DEEP,
    "deep objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "a deep member": b'{"name":' + b"[" * DEEP + b"]" * DEEP + b"}",
    "a long number": b'{"name":' + b"9" * 10_000 + b"}",
    "a huge exponent": b'{"name": 1e99999}',
    "NaN": b'{"name": NaN}',
    "Infinity": b'{"name": -Infinity}',
    "a raw NUL": b'{"name": "a\x00b"}',
    "too much": b'{"name": "' + b"a" * (1024 * 1024) + b'"}',
    "many members": b"{" + b",".join(b'"m%d":1' % number for number in range(20_000)) + b"}",
}


@pytest.mark.parametrize("operation", WITH_BODY, ids=name_of)
def test_a_body_that_is_no_object(law: Law, operation: Operation) -> None:
    """Malformed, deep, long and huge JSON is refused before anything is looked up."""
    call = right(law.world, operation)
    with law.unchanged():
        got = {kind: law.refuses(replace(call, content=content)) for kind, content in BROKEN.items()}
    assert {kind: status for kind, status in got.items() if status not in (413, 422)} == {}


OTHER_TYPES = ["text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "image/png", ""]
OTHER_TYPES += [
    "json",
    "application/json; charset=utf-16",
    "application/json, text/plain",
    "text/plain; application/json",
]


@pytest.mark.parametrize("operation", WITH_BODY, ids=name_of)
def test_a_body_of_another_kind(law: Law, operation: Operation) -> None:
    """415 for a right body under another media type: forms of foreign pages can send those."""
    call = right(law.world, operation)
    with law.unchanged():
        got = {media_type: law.refuses(replace(call, media_type=media_type)) for media_type in OTHER_TYPES}
    assert got == dict.fromkeys(OTHER_TYPES, 415)


# --- one member that is wrong


def doubled(call: Call) -> Iterator[Call]:
    for name, value in call.body.items():
        member = f"{json.dumps(name)}:{json.dumps(value)}"
        yield replace(call, content=call.content[:-1] + f",{member}}}".encode())


def unknown(call: Call) -> Iterator[Call]:
    yield call.with_body({**call.body, "colour": PRIVATE})
    yield call.with_body({**call.body, "": PRIVATE})
    yield call.with_body({**call.body, "__class__": PRIVATE})


def each_text(call: Call, values: list[str]) -> Iterator[Call]:
    for name, value in call.body.items():
        for wrong in values if isinstance(value, str) else ():
            yield call.with_body({**call.body, name: wrong})


def texts(call: Call) -> Iterator[Call]:
    """NUL, a lone surrogate, nothing, blanks, and 100 kB: no member that takes text takes those."""
    yield from each_text(call, [f"{PRIVATE}\x00", f"{PRIVATE}\ud800", f"\udc00{PRIVATE}", "", " ", PRIVATE * 20_000])


def other_types(call: Call) -> Iterator[Call]:
    for name, value in call.body.items():
        others = [1, 1.5, True, [], {}, [PRIVATE], {"a": PRIVATE}] if isinstance(value, str) else [PRIVATE, {}]
        for wrong in others:
            yield call.with_body({**call.body, name: wrong})


def numbers(call: Call) -> Iterator[Call]:
    for name, value in call.body.items():
        if isinstance(value, int):
            for wrong in (-1, 2**63, -(2**63) - 1, 10**40, 1.5, "1e3", None):
                yield call.with_body({**call.body, name: wrong})


def other_ids(call: Call) -> Iterator[Call]:
    for name, value in call.body.items():
        if isinstance(value, str) and TYPED_ID.fullmatch(value):
            kind, _, suffix = value.partition("_")
            other = "wsp" if kind != "wsp" else "prj"
            for wrong in (f"{other}_{suffix}", suffix, value.upper(), f"{kind}_8{'z' * 25}", f"{kind}_", f"{value}x"):
                yield call.with_body({**call.body, name: wrong})


MEMBERS: dict[str, Callable[[Call], Iterator[Call]]] = {
    "doubled": doubled,
    "unknown": unknown,
    "text": texts,
    "type": other_types,
    "number": numbers,
    "id": other_ids,
}


@pytest.mark.parametrize("operation", WITH_BODY, ids=name_of)
@pytest.mark.parametrize("kind", MEMBERS)
def test_a_member_that_is_wrong(law: Law, operation: Operation, kind: str) -> None:
    """Doubled, unknown, of another type, out of range, an id of another kind: refused, and never half taken."""
    bad = list(MEMBERS[kind](right(law.world, operation)))
    with law.unchanged():
        for call in bad:
            assert law.refuses(call) in (404, 413, 422), call.content[:200]


# --- addresses

WRONG_IDS = [
    "{other}_{suffix}",
    "{suffix}",
    "{kind}_",
    "{kind}_8zzzzzzzzzzzzzzzzzzzzzzzzz",
    "{kind}_{suffix}%00",
    "%00",
]
WRONG_IDS += ["%ff%fe", "{kind}_{suffix}x", "%F0%9F%92%A9", "..", "{kind}_{suffix}%0d%0aX: y", "x" * 5000, "null", "-1"]


@pytest.mark.parametrize("operation", WITH_IDS, ids=name_of)
def test_an_address_that_names_nothing(law: Law, operation: Operation) -> None:
    """404 for each id in it that is malformed, or of another kind."""
    call = right(law.world, operation)
    with law.unchanged():
        for part in [part for part in call.path.split("/") if TYPED_ID.fullmatch(part)]:
            kind, _, suffix = part.partition("_")
            for wrong in WRONG_IDS:
                shown = wrong.format(kind=kind, suffix=suffix, other="wsp" if kind != "wsp" else "prj")
                assert law.refuses(replace(call, path=call.path.replace(part, shown))) == 404, shown[:40]


QUERIES = ["limit=0", "limit=-1", "limit=201", f"limit={2**63}", "limit=1e3", "limit=", "limit=%00", "limit=1&limit=2"]
QUERIES += [
    f"cursor={PRIVATE}",
    "cursor=%00",
    "cursor=%ff",
    "cursor=" + "a" * 10_001,
    "cursor=a&cursor=b",
    "cursor=e30",
]
QUERIES += [f"sort={PRIVATE}", "sort=", "sort=-", "sort=id;drop", f"colour={PRIVATE}", f"%00={PRIVATE}"]


SCHEMA = api.get_openapi_schema(path_prefix="/api/v1/")["paths"]


def is_a_list(operation: Operation) -> bool:
    told = SCHEMA[operation.path][operation.method.lower()]
    return any(parameter["name"] == "cursor" for parameter in told["parameters"])


LISTS = [operation for operation in OPERATIONS if operation.method == "GET" and is_a_list(operation)]


@pytest.mark.parametrize("operation", LISTS, ids=name_of)
def test_a_query_that_is_wrong(law: Law, operation: Operation) -> None:
    """Numbers out of range, forged and huge cursors, unknown and doubled words: 422, never a page of something else."""
    call = right(law.world, operation)
    got = {query: law.refuses(replace(call, path=f"{call.path}?{query}")) for query in QUERIES}
    assert got == dict.fromkeys(QUERIES, 422)


METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "x"]


@pytest.mark.parametrize("path", sorted({operation.path for operation in OPERATIONS}))
def test_a_method_that_the_address_does_not_have(law: Law, path: str) -> None:
    """405 as a problem, and Allow says what there is; a slash at the end is another address, which is not there."""
    there = [operation for operation in OPERATIONS if operation.path == path]
    known = {operation.method for operation in there}
    known |= {"HEAD"} if "GET" in known else set()
    call = right(law.world, there[0])
    with law.unchanged():
        assert law.refuses(replace(call, path=f"{call.path}/")) == 404
        head = replace(call, operation=replace(call.operation, method="HEAD")).send(law.client)
        assert head.status_code in ((200,) if "GET" in known else (405,))
        for method in set(METHODS) - known:
            answer = replace(call, operation=replace(call.operation, method=method)).send(law.client)
            assert refused(answer) == 405
            assert set(answer["Allow"].split(", ")) == known


# --- headers

BAD_HEADERS: dict[str, tuple[set[str], dict[str, str], int]] = {
    # what is wrong → (methods, headers, status)
    "no If-Match": ({"PATCH"}, {"If-Match": ""}, 400),
    "a bare If-Match": ({"PATCH"}, {"If-Match": PRIVATE}, 400),
    "a weak If-Match": ({"PATCH"}, {"If-Match": 'W/"1"'}, 412),
    "two If-Match": ({"PATCH"}, {"If-Match": '"1", *'}, 400),
    "a long If-Match": ({"PATCH"}, {"If-Match": '"' + "1" * 10_000 + '"'}, 412),
    "a key of 10 kB": ({"POST"}, {"Idempotency-Key": "k" * 10_000}, 422),
    "a key with a blank": ({"POST"}, {"Idempotency-Key": f"{PRIVATE} a"}, 422),
    "a key that is not ASCII": ({"POST"}, {"Idempotency-Key": "schlüssel"}, 422),
    "an empty key": ({"POST"}, {"Idempotency-Key": ""}, 422),
    "a token that is none": ({"GET", "POST", "PATCH", "DELETE"}, {"Authorization": f"Bearer {PRIVATE}"}, 401),
    "a token of 10 kB": ({"GET", "POST", "PATCH", "DELETE"}, {"Authorization": "Bearer " + "a" * 10_000}, 401),
    "a token that is not ASCII": ({"GET", "POST", "PATCH", "DELETE"}, {"Authorization": "Bearer ü\x80"}, 401),
    "an empty token": ({"GET", "POST", "PATCH", "DELETE"}, {"Authorization": "Bearer "}, 401),
}


@pytest.mark.parametrize("operation", OPERATIONS, ids=name_of)
def test_a_header_that_is_wrong(law: Law, operation: Operation) -> None:
    """Conditions, keys and tokens that can't be read are refused, and never passed over."""
    call = right(law.world, operation)
    wrong = {kind: bad for kind, bad in BAD_HEADERS.items() if operation.method in bad[0]}
    with law.unchanged():
        got = {
            kind: law.refuses(replace(call, headers={**call.headers, **headers}))
            for kind, (_methods, headers, _status) in wrong.items()
        }
    assert got == {kind: status for kind, (_methods, _headers, status) in wrong.items()}


HARMLESS = {
    "traceparent": "00-zz-zz-zz",
    "If-None-Match": "W/" + "x" * 5000,
    "Accept": "application/xml;q=nonsense",
    "Range": "bytes=9-1,abc",
    "X-HTTP-Method-Override": "DELETE",
    "Accept-Language": "x" * 5000,
    "Origin": "null",
}


@pytest.mark.parametrize("operation", [it for it in OPERATIONS if it.method == "GET"], ids=name_of)
def test_a_header_that_may_be_ignored(law: Law, operation: Operation) -> None:
    """What only helps, and can't be read, is as good as not there."""
    call = right(law.world, operation)
    for header, value in HARMLESS.items():
        assert replace(call, headers={header: value}).send(law.client).status_code in (200, 206, 304), header
