"""Hides how seconds of a core are spent without others' noticing: in a thread of lower priority."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")
_NICE = 5  # others go before, and a third of what one of them gets is left


def quietly(work: Callable[[], T]) -> T:
    """Wait for `work`, which is done so, and give its result or raise what it raised.

    Linux has a priority for each thread, and lets nobody without privilege raise it again: so it ends with the thread.
    """
    done: Future[T] = Future()

    def quiet() -> None:
        try:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
            done.set_result(work())
        except BaseException as exc:  # noqa: BLE001  # it is raised again where it is waited for
            done.set_exception(exc)

    threading.Thread(target=quiet, name="quiet").start()
    return done.result()
