"""A task of one's own is one module, and the examples are two."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from inference import registry
from inference.errors import UnknownModel
from inference.examples import despeckle, posterise
from inference.models import SPAN_X2, SPAN_X2_WIDE

EXAMPLE = "inference.examples.posterise"
IN_PARTS = "inference.examples.despeckle"
# In a process of its own: tasks are known from the start, to the server and to who asks.
SERVED = """
import sys
from pathlib import Path
import cv2
import numpy as np
from inference.client import Client
from inference.registry import TASKS
from tests.inference.tritonserver import Triton, await_ready

triton = Triton(Path(sys.argv[1]))
triton.start()
try:
    client = Client(triton.url, in_flight=2)
    await_ready(client)
    picture = np.random.default_rng(1).integers(0, 256, (700, 1100, 3), dtype=np.uint8)
    task = TASKS["posterise"]
    asked = task.parameters(colours=3)
    result = client.run("posterise", picture, asked, on_progress=print, cancelled=lambda: False, timeout_s=60.0)
    assert set(np.unique(result.picture)) == {0, 128, 255}, np.unique(result.picture)
    assert np.abs(result.picture.astype(int) - picture).max() <= 64
    assert result.tiles == 2
    seen = []
    asked = TASKS["despeckle"].parameters(radius=2)
    result = client.run("despeckle", picture, asked, on_progress=seen.append, cancelled=lambda: False, timeout_s=60.0)
    assert np.array_equal(result.picture, cv2.medianBlur(picture, 5))
    assert (result.tiles, seen[-1].done, seen[-1].total) == (2, 18, 18)
    assert len(seen) > 5
finally:
    triton.stop()
"""


@pytest.mark.parametrize("example", [posterise, despeckle])
def test_the_examples_are_short(example: ModuleType) -> None:
    """A contract, a network and a line in the registry: not more than sixty lines."""
    assert example.__file__ is not None
    assert len(Path(example.__file__).read_text().splitlines()) <= 60


def test_the_examples_are_served(tmp_path: Path) -> None:
    """Named in INFERENCE_TASKS they are set up, loaded and run as any other task."""
    environment = {**os.environ, "INFERENCE_TASKS": f"{EXAMPLE},{IN_PARTS}"}
    run = subprocess.run(
        [sys.executable, "-c", SERVED, str(tmp_path)], env=environment, capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 0, run.stderr + (tmp_path / "triton.log").read_text()[-2000:]


def test_two_tasks_of_one_name_are_refused() -> None:
    """At the start, and not by which of them was read last."""
    with pytest.raises(ValueError, match="two tasks of the name posterise"):
        registry.load([EXAMPLE, EXAMPLE])


def test_versions_of_a_model_stand_in_for_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has its own number and the same scale, and one of them is stable."""
    first = posterise.MODEL
    refused = {
        "two models posterise of version 1": (first, replace(first, tile_px=512)),
        "differ in scale": (first, replace(first, version=2, scale=2)),
        "no version of posterise is stable": (replace(first, stable=False),),
        "there is no model posterise": (),
    }
    for reason, models in refused.items():
        monkeypatch.setattr(posterise, "MODELS", models)
        with pytest.raises(ValueError, match=reason):
            registry.load([EXAMPLE])


def test_without_a_version_the_newest_stable_one_is_meant() -> None:
    """One that is there to be tried is had by its number alone."""
    assert registry.model_named("span_x2") == SPAN_X2
    assert registry.model_named("span_x2", 2) == SPAN_X2_WIDE
    with pytest.raises(UnknownModel, match=r"has no version 9\. It has: 1, 2"):
        registry.model_named("span_x2", 9)
    with pytest.raises(UnknownModel, match="There are: span_x2"):
        registry.model_named("span_x3")


def test_a_module_that_is_not_there_is_named() -> None:
    with pytest.raises(ImportError, match="no_such_tasks"):
        registry.load(["no_such_tasks"])
