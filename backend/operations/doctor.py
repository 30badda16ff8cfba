"""Examines everything side by side: each part, each of our processes, each setting."""

from collections.abc import Callable, Iterator, Mapping

from backend.core import beside
from backend.operations import broker, database, environment, processes, store
from backend.operations.findings import Finding, failure, named, without_secrets

# Each examination's calls have time-outs of their own (findings.TIMEOUT_S); this is for one that makes several.
TIMEOUT_S = 12.0
EXAMINATIONS: Mapping[str, Callable[[], Iterator[Finding]]] = {
    "settings": environment.examine,
    "stack": processes.examine_stack,
    "database": database.examine,
    "valkey": broker.examine,
    "s3": store.examine,
    "triton": processes.examine_triton,
    "web": processes.examine_web,
    "worker": processes.examine_workers,
    "relay": processes.examine_leaders,
    "traces": processes.examine_traces,
}


def examine() -> list[Finding]:
    """All that was found, part by part. What an examination found before it broke off is among it."""
    found: dict[str, list[Finding]] = {name: [] for name in EXAMINATIONS}

    def run(name: str) -> Callable[[], None]:
        def examine_one() -> None:
            for one in EXAMINATIONS[name]():
                found[name].append(one)  # at once, for what comes next may fail

        return examine_one

    answers = beside.ask_all({name: run(name) for name in EXAMINATIONS}, timeout_s=TIMEOUT_S)
    for name, answer in answers.items():
        if answer.error is not None:
            said = f"the examination broke off: {named(answer.error)}"
            found[name].append(failure(f"{name}.examined", said, "Mend what is said above, then ask again."))
    return [one for name in EXAMINATIONS for one in without_secrets(list(found[name]))]
