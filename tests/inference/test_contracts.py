"""What each task promises, before anything runs."""

import subprocess
import sys

import numpy as np
import pytest
from pydantic import ValidationError

from inference.contracts import CANNY, DENOISE, ENHANCE, DenoiseParameters, EnhanceParameters
from inference.errors import PictureTooLarge, UnknownTask
from inference.registry import MODELS, TASKS, model_named, task_named


def test_every_task_has_its_model() -> None:
    """A contract names a model that the registry holds, at the scale that it promises."""
    assert {task.model for task in TASKS.values()} <= set(MODELS)
    assert ENHANCE.scale(EnhanceParameters()) == model_named(ENHANCE.model).scale


@pytest.mark.parametrize("parameters", [{"scale": 3}, {"scale": "big"}, {"strength": 1}])
def test_parameters_out_of_range_are_refused(parameters: dict[str, object]) -> None:
    """What the contract does not know is refused before anything is queued."""
    with pytest.raises(ValidationError):
        ENHANCE.parameters.model_validate(parameters)


def test_schema_is_json_schema() -> None:
    """Clients learn the parameters from the schema."""
    schema = ENHANCE.parameters_schema()
    assert schema["additionalProperties"] is False
    assert schema["properties"]["scale"]["default"] == 2


def test_too_large_a_picture_is_refused() -> None:
    """The limit and the picture's own size stand in the sentence."""
    twice = EnhanceParameters()
    ENHANCE.check_size(width=10_000, height=10_000, parameters=twice)
    with pytest.raises(PictureTooLarge, match=r"up to 100 megapixels; this one has 120\.0"):
        ENHANCE.check_size(width=12_000, height=10_000, parameters=twice)


def test_a_result_that_no_file_could_hold_is_refused() -> None:
    """A JPEG has at most 65,500 pixels a side, and the result is twice as long."""
    ENHANCE.check_size(width=1, height=30_000, parameters=EnhanceParameters())
    with pytest.raises(PictureTooLarge, match=r"up to 32750 pixels a side; this one has 1 x 40000"):
        ENHANCE.check_size(width=1, height=40_000, parameters=EnhanceParameters())
    DENOISE.check_size(width=1, height=40_000, parameters=DenoiseParameters())


def test_cost_grows_with_the_picture() -> None:
    """Four times the pixels cost about four times as much."""
    small = ENHANCE.cost_s(512, 512, EnhanceParameters())
    assert 3.5 < ENHANCE.cost_s(1024, 1024, EnhanceParameters()) / small < 5.5
    assert 0 < ENHANCE.cost_s(1, 1, EnhanceParameters()) < small


def test_unknown_task_names_those_there_are() -> None:
    """The answer helps who mistyped."""
    with pytest.raises(UnknownTask, match="enhance"):
        task_named("enhence")


def test_contracts_and_client_import_no_torch() -> None:
    """A worker that loaded torch would be 200 MB heavier."""
    code = "import sys, inference.contracts, inference.client; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_denoise_tells_the_network_how_strong_the_noise_is() -> None:
    """As the person said; or as it is in the picture."""
    noisy = np.clip(np.random.default_rng(1).normal(128, 20, (128, 128, 3)), 0, 255).astype(np.uint8)
    assert DENOISE.arguments(DenoiseParameters(strength=50), noisy) == {"sigma": 50}
    assert 17 < DENOISE.arguments(DenoiseParameters(), noisy)["sigma"] < 23


@pytest.mark.parametrize("strength", [0, -1, 76, float("nan"), "much"])
def test_no_such_strength(strength: object) -> None:
    with pytest.raises(ValidationError):
        DENOISE.parameters.model_validate({"strength": strength})


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"low_threshold": 120, "high_threshold": 119}, "high_threshold"),
        ({"low_threshold": 201}, "high_threshold"),
        ({"high_threshold": 99}, "high_threshold"),
        ({"low_threshold": -1}, "low_threshold"),
        ({"high_threshold": 256}, "high_threshold"),
        ({"low_threshold": 0.5}, "low_threshold"),
        ({"smoothing": 5.1}, "smoothing"),
        ({"smoothing": float("nan")}, "smoothing"),
        ({"lines": "red"}, "lines"),
    ],
)
def test_no_such_edges(asked: dict[str, object], field: str) -> None:
    """One fault, told at the field that has it; thresholds that cross are the high one's, whichever was left out."""
    with pytest.raises(ValidationError) as refused:
        CANNY.parameters.model_validate(asked)
    assert [error["loc"] for error in refused.value.errors()] == [(field,)]


def test_thresholds_may_be_equal() -> None:
    """Then there is no weak edge."""
    assert CANNY.parameters.model_validate({"low_threshold": 255, "high_threshold": 255})


def test_thresholds_that_cross_are_explained() -> None:
    with pytest.raises(
        ValidationError, match="The high threshold is 50; it can't be less than the low one, which is 90"
    ):
        CANNY.parameters.model_validate({"low_threshold": 90, "high_threshold": 50})
