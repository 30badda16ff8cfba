"""Questions side by side: no answer waits for a slower one, and no fault of one hides another."""

import threading
import time

from backend.core import beside


def test_the_slowest_decides() -> None:
    """Three that take as long as one."""
    pause = {name: lambda: time.sleep(1.0) for name in "abc"}
    began = time.monotonic()
    answers = beside.ask_all(pause, timeout_s=20)
    assert time.monotonic() - began < 2.5
    assert all(answer.error is None and answer.took_s >= 1.0 for answer in answers.values())


def test_one_that_hangs_is_left_behind() -> None:
    """It has timed out when the time is over; the others have their answers."""
    hold = threading.Event()
    answers = beside.ask_all({"hangs": hold.wait, "answers": lambda: True}, timeout_s=0.5)
    hold.set()
    assert isinstance(answers["hangs"].error, TimeoutError)
    assert answers["answers"].value is True


def test_a_fault_is_an_answer() -> None:
    """It is handed over, not raised."""

    def fail() -> None:
        raise ValueError

    assert isinstance(beside.ask_all({"fails": fail}, timeout_s=5)["fails"].error, ValueError)
