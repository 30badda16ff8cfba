"""Hides how Triton is laid out and started: the generated model repository, the Python backend, the command line.

`python -m inference.server` clears what a killed predecessor left in shared memory, sets a guard over the models'
processes and becomes `tritonserver`.
"""

import argparse
import hashlib
import os
import shutil
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from inference.models import Model
from inference.networks import weights
from inference.registry import every_model, model_named

Device = Literal["auto", "cpu", "gpu"]

_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  # where POSIX puts it on Linux; no file of a guessable name is made
_GPU_TILE_PX = 1024  # of 256 a GPU is half as fast: it waits for what is done for each tile
_MOST_INSTANCES = 2  # of a model: each is a process with the network's memory
_REPOSITORY_ROOT = Path(__file__).resolve().parent.parent

_CONFIG = """\
name: "{name}"
backend: "python"
max_batch_size: 0
input [
  {{ name: "PICTURE" data_type: TYPE_UINT8 dims: [ -1, -1, 3 ] }},
  {{ {wanted} }}
]
output [
  {{ name: "RESULT" data_type: TYPE_UINT8 dims: [ -1, -1, 3 ] }},
  {{ name: "DOUBT" data_type: TYPE_UINT8 dims: [ -1, -1 ] }},
  {{ name: "REPORT" data_type: TYPE_UINT8 dims: [ -1 ] }}
]
instance_group [ {{ kind: {kind} count: {instances} }} ]
parameters [
  {{ key: "network" value: {{ string_value: "{network}" }} }},
  {{ key: "sha256" value: {{ string_value: "{sha256}" }} }},
  {{ key: "dtype" value: {{ string_value: "{dtype}" }} }},
  {{ key: "tile_px" value: {{ string_value: "{tile_px}" }} }},
  {{ key: "gpu_tile_px" value: {{ string_value: "{gpu_tile_px}" }} }},
  {{ key: "halo_px" value: {{ string_value: "{halo_px}" }} }},
  {{ key: "part_px" value: {{ string_value: "{part_px}" }} }}
]
"""
_AT_ONCE = 'name: "HALO" data_type: TYPE_INT32 dims: [ 4 ]'
_IN_PARTS = 'name: "PARTS" data_type: TYPE_INT32 dims: [ -1, 8 ]'
_STREAMED = "model_transaction_policy { decoupled: True }\n"


class SetUpFailed(Exception):
    """Triton cannot be set up here; the message says what to install."""


@dataclass(frozen=True, slots=True)
class ModelRepository:
    """Where the generated parts are."""

    models: Path
    backends: Path
    names: tuple[str, ...]


def build(var: Path, *, device: Device = "auto", dtype: str = "auto", instances: int = 0) -> ModelRepository:
    """Lay out `var/triton`. Idempotent, and a matter of milliseconds the second time; never needs torch.

    `instances`: of each model; 0 for what is fastest.

    Raises: SetUpFailed, inference.networks.weights.WeightsMissing.
    """
    home = _home(var)
    kind = "KIND_GPU" if device == "gpu" or (device == "auto" and _has_gpu()) else "KIND_CPU"
    _lay_backend(home / "backends" / "python")
    models = {model.served: model for model in every_model()}
    for served, model in models.items():
        _lay_model(home / "models" / served, model, kind=kind, dtype=dtype, instances=instances or _fastest(kind))
    for folder in (home / "models").iterdir():
        if folder.name not in models:
            shutil.rmtree(folder)
    return ModelRepository(home / "models", home / "backends", tuple(models))


def command(
    var: Path, *, grpc_port: int, metrics_port: int, http_port: int | None = None, preload: Sequence[str] = ()
) -> tuple[list[str], dict[str, str]]:
    """What starts Triton on what `build(var)` laid out, and its whole environment. The process ends on SIGTERM.

    gRPC and metrics listen on 127.0.0.1; HTTP is closed unless a port is given. Models are loaded when they are needed,
    but for the stable versions of those of `preload`.
    """
    home = _home(var)
    server = [
        "--model-repository", str(home / "models"),
        "--backend-directory", str(home / "backends"),
        # Shared memory is named by the stack, so that the next start can sweep up after a kill -9.
        "--backend-config", f"python,shm-region-prefix-name={_shared_memory_prefix(home)}",
        "--backend-config", "python,shm-default-byte-size=8388608",  # a tile of 256 with its answer is 1.1 MB
        "--disable-auto-complete-config",
        "--model-control-mode", "explicit",
        "--grpc-address", "127.0.0.1", "--grpc-port", str(grpc_port),
        # The client pings every 20 s to notice a dead peer; the default would hang up on it.
        "--grpc-http2-min-recv-ping-interval-without-data", "5000",
        "--grpc-infer-allocation-pool-size", "4",
        "--metrics-address", "127.0.0.1", "--metrics-port", str(metrics_port),
        "--allow-gpu-metrics", str(_has_gpu()).lower(),
        "--exit-timeout-secs", "5",
        "--log-info", "false", "--log-format", "ISO8601",
    ]  # fmt: skip
    server += [word for name in preload for word in ("--load-model", model_named(name).served)]
    http = ["--http-address", "127.0.0.1", "--http-port", str(http_port)] if http_port else ["--allow-http", "false"]
    argv = [sys.executable, "-m", "inference.server", "--home", str(home), "--", *server, *http]
    return argv, {**os.environ, **_environment(home)}


def _environment(home: Path) -> dict[str, str]:
    return {
        "PYTHONPATH": os.pathsep.join([str(_REPOSITORY_ROOT), sysconfig.get_paths()["purelib"]]),
        "LD_LIBRARY_PATH": os.pathsep.join([str(_site() / "nvidia_pytriton.libs"), sysconfig.get_config_var("LIBDIR")]),
        # Spinning threads on a virtual machine made two-thread PyTorch up to ten times slower.
        "OMP_WAIT_POLICY": "passive",
        "GOMP_SPINCOUNT": "0",
        # Keep the tiles' buffers on the heap: fetching them anew from the kernel costs 60,000 page faults a tile,
        # a quarter of the time. The model gives the heap back when it has been idle for a while.
        "MALLOC_MMAP_THRESHOLD_": "1073741824",
        "MALLOC_TRIM_THRESHOLD_": "1073741824",
        "MALLOC_ARENA_MAX": "2",
        # What a GPU's models compile is kept; by this process, for the models' own can't start others of themselves.
        "TORCHINDUCTOR_CACHE_DIR": str(home / "compiled"),
        "TRITON_CACHE_DIR": str(home / "compiled" / "kernels"),
        "TORCHINDUCTOR_COMPILE_THREADS": "1",
    }


def _home(var: Path) -> Path:
    return var.resolve() / "triton"


def _site() -> Path:
    spec = find_spec("pytriton")
    if spec is None or not spec.submodule_search_locations:
        raise SetUpFailed("install nvidia-pytriton (see requirements-nodeps.txt): it carries tritonserver")
    return Path(spec.submodule_search_locations[0]).parent


def _lay_backend(folder: Path) -> None:
    """Three files side by side; the stub must be the running Python's own."""
    wheel = _site() / "pytriton" / "tritonserver"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    stub = wheel / "python_backend_stubs" / version / "triton_python_backend_stub"
    if not stub.exists():
        raise SetUpFailed(f"nvidia-pytriton has no backend for Python {version}")
    if not sysconfig.get_config_var("Py_ENABLE_SHARED"):
        raise SetUpFailed(f"Triton needs a Python with libpython{version}.so; this one was built without")
    folder.mkdir(parents=True, exist_ok=True)
    for source in (*(wheel / "backends" / "python").iterdir(), stub):
        _put(folder / source.name, source)


def _put(target: Path, source: Path) -> None:
    """Copy unless it is there already; replaced whole, for a running server may hold the old one."""
    there, wanted = target.exists() and target.stat(), source.stat()
    if there and (there.st_size, there.st_mtime_ns) == (wanted.st_size, wanted.st_mtime_ns):
        return
    part = target.with_name(target.name + ".part")
    shutil.copy2(source, part)
    part.replace(target)


def _fastest(kind: str) -> int:
    """Threads that share a tile wait for each other: two tiles by one thread each are done a third sooner."""
    return min(len(os.sched_getaffinity(0)), _MOST_INSTANCES) if kind == "KIND_CPU" else 1


def _lay_model(folder: Path, model: Model, *, kind: str, dtype: str, instances: int) -> None:
    version = folder / "1"  # Triton's own count; ours stands in the model's name
    made = weights.prepare(model, version)
    _put(version / "model.py", _REPOSITORY_ROOT / "inference" / "repository" / "model.py")
    config = (
        _CONFIG.format(
            name=model.served,
            kind=kind,
            network=model.network,
            sha256=made.sha256,
            dtype=dtype,
            instances=instances,
            tile_px=model.tile_px,
            gpu_tile_px=max(model.tile_px, _GPU_TILE_PX),
            halo_px=model.halo_px,
            part_px=model.part_px,
            wanted=_IN_PARTS if model.streamed else _AT_ONCE,
        )
        + _STREAMED * model.streamed
    )
    path = folder / "config.pbtxt"
    if not path.exists() or path.read_text() != config:
        path.write_text(config)


def _has_gpu() -> bool:
    """A device, and a torch that can use it (the CPU wheel cannot)."""
    torch = find_spec("torch")
    libraries = Path(torch.origin).parent / "lib" if torch and torch.origin else Path()
    return Path("/dev/nvidiactl").exists() and (libraries / "libtorch_cuda.so").exists()


def _shared_memory_prefix(home: Path) -> str:
    return f"atelier_{hashlib.sha256(str(home).encode()).hexdigest()[:12]}_"


def _sweep(home: Path) -> None:
    for left in _SHARED_MEMORY.glob(f"{_shared_memory_prefix(home)}*"):
        left.unlink(missing_ok=True)


def _become_triton(home: Path, arguments: list[str], environment: Mapping[str, str]) -> None:
    _sweep(home)
    server = _site() / "pytriton" / "tritonserver" / "bin" / "tritonserver"
    us = str(os.getpid())
    if os.fork() == 0:
        guard = str(_REPOSITORY_ROOT / "inference" / "guard.py")
        os.execve(sys.executable, [sys.executable, "-I", "-S", guard, us], environment)  # noqa: S606  # as below
    os.execve(server, ["tritonserver", *arguments], environment)  # noqa: S606  # a program of the wheel's, no shell is meant


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m inference.server")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("arguments", nargs="+")
    options = parser.parse_args()
    _become_triton(options.home, options.arguments, os.environ)
