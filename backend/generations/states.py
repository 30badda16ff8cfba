"""The life of a job as a pure machine: which step leads from which state to which, and when a try is worth it.

expired ◀──expire── queued ──claim──▶ running ──succeed──▶ succeeded
                     │  ▲               │ ├────fail─────▶ failed
                     │  └──put back─────┘ │
                     └──cancel──▶ cancelled ◀──cancel
"""

from enum import StrEnum

from backend.generations.errors import StepNotPossible


class State(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class Step(StrEnum):
    CLAIM = "claim"
    PUT_BACK = "put_back"  # a fault that passes, or a lease that ran out
    SUCCEED = "succeed"
    FAIL = "fail"
    CANCEL = "cancel"
    EXPIRE = "expire"  # it could not start in time


ENDED = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED, State.EXPIRED})
MAX_TRIES = 8  # about a minute and a half of back-off: longer than any part takes to start again
MAX_LOSSES = 3  # workers that ended under the job: more look like the job's fault
_BACK_OFF_S, _BACK_OFF_MAX_S = 0.5, 30.0

_NEXT: dict[tuple[State, Step], State] = {
    (State.QUEUED, Step.CLAIM): State.RUNNING,
    (State.QUEUED, Step.CANCEL): State.CANCELLED,
    (State.QUEUED, Step.EXPIRE): State.EXPIRED,
    (State.RUNNING, Step.PUT_BACK): State.QUEUED,
    (State.RUNNING, Step.SUCCEED): State.SUCCEEDED,
    (State.RUNNING, Step.FAIL): State.FAILED,
    (State.RUNNING, Step.CANCEL): State.CANCELLED,
}


def after(state: State | str, step: Step) -> State:
    """The state that `step` leads to. Raises StepNotPossible."""
    try:
        return _NEXT[State(state), step]
    except KeyError as exc:
        raise StepNotPossible(f"The job is {state}: it can't {step.replace('_', ' ')} now.", state=str(state)) from exc


def may_try_again(*, tries: int, losses: int) -> bool:
    """Whether a job that was claimed `tries` times, and lost its worker `losses` times, is worth another claim."""
    return tries < MAX_TRIES and losses < MAX_LOSSES


def back_off_s(tries: int) -> float:
    """How long a job waits after its n-th try: doubling, so that a part that starts again is not beaten down."""
    return float(min(_BACK_OFF_MAX_S, _BACK_OFF_S * 2 ** max(0, tries - 1)))
