"""Loaded by schemathesis (SCHEMATHESIS_HOOKS): makes right requests right in what no schema can say.

A request that schemathesis means to be right gets ids of things that are there, a key of its own, an If-Match that
holds, and no made-up cursor; so it reaches what lies behind the first check. Wrong requests go out as they are.
"""

import json
import os
import random
import secrets
from typing import Any

import schemathesis
from schemathesis import GenerationMode

THINGS: dict[str, list[str]] = json.loads(os.environ.get("FUZZ_THINGS", "{}"))  # path parameter → ids


@schemathesis.hook
def before_load_schema(context: schemathesis.HookContext, raw_schema: dict[str, Any]) -> None:
    """A session's cookie goes with every request of its run, so no case there is one without it."""
    if os.environ.get("FUZZ_COOKIE"):
        for operation in [raw_schema, *(it for path in raw_schema["paths"].values() for it in path.values())]:
            operation.pop("security", None)


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case[Any], kwargs: dict[str, Any]) -> None:
    if case.meta is None or case.meta.generation.mode is not GenerationMode.POSITIVE:
        return
    if "Idempotency-Key" in case.headers:
        case.headers["Idempotency-Key"] = secrets.token_hex(8)
    if "If-Match" in case.headers:
        case.headers["If-Match"] = "*"
    if case.query:
        case.query.pop("cursor", None)
    if isinstance(case.body, dict) and "person_id" in case.body:  # who is a member also of what was just made
        case.body["person_id"] = THINGS["person_id"][0]
    if case.meta.phase.name.value == "stateful":  # which brings ids from one answer to the next request
        return
    for name in case.path_parameters or {}:
        if name in THINGS and random.random() < 0.8:
            case.path_parameters[name] = random.choice(THINGS[name])
