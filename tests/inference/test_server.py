"""How Triton is laid out, before it is started."""

import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from inference import registry, server
from inference.examples import despeckle
from inference.models import SPAN_X2
from inference.registry import every_model
from tests.inference.tritonserver import Triton


def _state(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_build_is_idempotent(tmp_path: Path) -> None:
    """A second build writes nothing."""
    repository = server.build(tmp_path)
    before = _state(tmp_path)
    assert server.build(tmp_path) == repository
    assert _state(tmp_path) == before
    assert repository.names == tuple(model.served for model in every_model())


def test_build_repairs_and_clears(tmp_path: Path) -> None:
    """What is missing comes back; a model that the registry no longer holds goes."""
    repository = server.build(tmp_path)
    (repository.backends / "python" / "triton_python_backend_utils.py").unlink()
    (repository.models / "of_yesterday" / "1").mkdir(parents=True)
    server.build(tmp_path)
    assert (repository.backends / "python" / "triton_python_backend_utils.py").exists()
    assert {path.name for path in repository.models.iterdir()} == {model.served for model in every_model()}


def test_config_follows_the_device(tmp_path: Path) -> None:
    """The same repository for CPU and GPU, but for the instance group."""
    config = server.build(tmp_path, device="cpu").models / SPAN_X2.served / "config.pbtxt"
    on_cpu = config.read_text()
    server.build(tmp_path, device="gpu")
    lines = zip(on_cpu.splitlines(), config.read_text().splitlines(), strict=True)
    (changed,) = [pair for pair in lines if pair[0] != pair[1]]
    assert "kind: KIND_CPU" in changed[0]
    assert "kind: KIND_GPU count: 1" in changed[1]


def test_config_follows_how_a_model_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that answers in parts is told which are wanted; Triton lets it alone answer more than once."""
    tasks, models = registry.load([despeckle.__name__])
    monkeypatch.setattr(registry, "TASKS", tasks)
    monkeypatch.setattr(registry, "MODELS", models)
    laid = server.build(tmp_path).models
    streamed = {name.name for name in laid.iterdir() if "decoupled: True" in (name / "config.pbtxt").read_text()}
    asked_for_parts = {name.name for name in laid.iterdir() if '"PARTS"' in (name / "config.pbtxt").read_text()}
    assert streamed == asked_for_parts == {despeckle.MODEL.served}


def test_command_listens_on_loopback_alone(tmp_path: Path) -> None:
    """gRPC and metrics are bound to 127.0.0.1, and HTTP is closed."""
    argv, environment = server.command(tmp_path, grpc_port=1, metrics_port=2)
    asked = dict(pairwise(argv))
    assert asked["--grpc-address"] == asked["--metrics-address"] == "127.0.0.1"
    assert asked["--allow-http"] == "false"
    assert environment["OMP_WAIT_POLICY"] == "passive"
    assert environment["PATH"]


def test_missing_backend_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without nvidia-pytriton the message names it."""
    monkeypatch.setattr(server, "find_spec", lambda _name: None)
    with pytest.raises(server.SetUpFailed, match="install nvidia-pytriton"):
        server.build(tmp_path)


def test_foreign_python_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Python that the wheel has no backend for is refused at set-up, not at the first job."""
    monkeypatch.setattr(sys, "version_info", type("V", (), {"major": 3, "minor": 99}))
    with pytest.raises(server.SetUpFailed, match=r"Python 3\.99"):
        server.build(tmp_path)


def test_wrong_weights_are_not_served(tmp_path: Path) -> None:
    """A weight file that was swapped after set-up keeps the server from starting."""
    triton = Triton(tmp_path)
    (tmp_path / "triton" / "models" / SPAN_X2.served / "1" / "weights.safetensors").write_bytes(b"swapped")
    argv, environment = server.command(
        tmp_path, grpc_port=triton.grpc_port, metrics_port=triton.metrics_port, preload=[SPAN_X2.name]
    )
    ended = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode != 0
    assert "are not the ones that it was set up with" in ended.stderr
    shutil.rmtree(tmp_path / "triton")
