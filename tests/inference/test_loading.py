"""Which models a real Triton holds where memory is short, as our client sees to it."""

import time
from collections.abc import Iterator

import numpy as np
import pytest

from inference import residents
from inference.client import Client
from inference.contracts import CannyParameters, EnhanceParameters
from inference.errors import TritonUnavailable
from inference.models import CANNY, FFDNET, SPAN_X2
from inference.runs import Result
from tests.inference.tritonserver import Triton

PICTURE = np.zeros((16, 16, 3), np.uint8)
ROOM_FOR_ONE_MB = 2 * SPAN_X2.memory_mb - 1


@pytest.fixture
def short(triton: Triton, client: Client) -> Iterator[Client]:
    """A client of a server without models, whose device has room for one of them."""
    for model in (SPAN_X2, CANNY, FFDNET):
        client.unload(model, timeout_s=20.0)
    one = Client(triton.url, in_flight=2, memory_mb=ROOM_FOR_ONE_MB)
    yield one
    one.close()


def loaded(client: Client) -> frozenset[str]:
    return client.describe(2.0).loaded


def run(client: Client, task: str, *, timeout_s: float = 60.0) -> Result:
    parameters = {"enhance": EnhanceParameters(), "canny": CannyParameters()}[task]
    return client.run(
        task, PICTURE, parameters, on_progress=lambda _: None, cancelled=lambda: False, timeout_s=timeout_s
    )


def test_the_model_that_nobody_uses_makes_room(short: Client) -> None:
    """It leaves once it has been idle for a moment, and comes back when it is needed."""
    for task, model in (("enhance", SPAN_X2), ("canny", CANNY), ("enhance", SPAN_X2)):
        assert run(short, task).model == model.name
        assert _settled(short) == {model.served}


def test_a_model_at_work_is_not_pushed_out_for_another(short: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who needs the other one waits, and is told so when their time is up."""
    monkeypatch.setattr(residents, "AT_WORK_S", 60.0)
    run(short, "enhance")
    began = time.monotonic()
    with pytest.raises(TritonUnavailable):
        run(short, "canny", timeout_s=2.0)
    assert time.monotonic() - began > 1.0
    assert _settled(short) == {SPAN_X2.served}


def test_a_model_that_fits_nowhere_is_refused_at_once(triton: Triton, client: Client) -> None:
    """Waiting would not help."""
    client.unload(CANNY, timeout_s=20.0)
    tiny = Client(triton.url, in_flight=1, memory_mb=CANNY.memory_mb - 1)
    began = time.monotonic()
    with pytest.raises(TritonUnavailable, match="no memory"):
        run(tiny, "canny")
    assert time.monotonic() - began < 5.0
    tiny.close()


def _settled(client: Client) -> frozenset[str]:
    """What is loaded once a model that is being unloaded has gone."""
    deadline = time.monotonic() + 10.0
    while len(loaded(client)) > 1 and time.monotonic() < deadline:
        time.sleep(0.1)
    return loaded(client)
