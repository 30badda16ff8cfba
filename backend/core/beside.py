"""Asks several parts at once, and waits for none longer than for the answer that it may take."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from django.db import connections

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """What one question gave: a value, or the error that it ended with (TimeoutError: it has not ended)."""

    value: T | None
    error: Exception | None
    took_s: float


def ask_all(questions: Mapping[str, Callable[[], T]], *, timeout_s: float) -> dict[str, Answer[T]]:
    """The answers by name, after `timeout_s` at the latest. Each question runs in a thread of its own.

    One that hangs is left behind, so it must end by itself some time: give its calls time-outs, too.
    """
    came: SimpleQueue[tuple[str, Answer[T]]] = SimpleQueue()
    began = time.perf_counter()

    def ask(name: str, question: Callable[[], T]) -> None:
        try:
            value, error = question(), None
        except Exception as exc:  # noqa: BLE001 - the edge: whatever it was is the answer
            value, error = None, exc
        finally:
            connections.close_all()  # this thread's own
        came.put((name, Answer(value, error, time.perf_counter() - began)))

    for name, question in questions.items():
        threading.Thread(target=ask, args=[name, question], name=f"ask-{name}", daemon=True).start()
    answers: dict[str, Answer[T]] = {}
    while len(answers) < len(questions):
        try:
            name, answer = came.get(timeout=max(0.0, began + timeout_s - time.perf_counter()))
        except Empty:
            break
        answers[name] = answer
    late: Answer[T] = Answer(None, TimeoutError(f"no answer within {timeout_s:g} s"), timeout_s)
    return {name: answers.get(name, late) for name in questions}
