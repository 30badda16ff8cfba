"""Hides the network behind Triton's Python backend: one tile in, one tile out, by DLPack.

In: PICTURE (H, W, 3) uint8 RGB; HALO (4,) int32, the rows and columns that are only context: top, bottom, left, right.
Out: RESULT (scale·h, scale·w, 3) uint8 RGB without the halo; DOUBT (h, w) uint8, 1 where it is not to be believed;
REPORT, JSON as uint8: compute_s, digest, dtype. Request parameters: traceparent; arguments, JSON, what the network is
told beside the picture.
DLPack and JSON as bytes, since this backend's own arrays are numpy 1's and arrive empty under numpy 2.
"""

import ctypes
import importlib
import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

# The stub starts Python isolated, deaf to PYTHONPATH: what it says must be put in place before anything is imported.
sys.path[:0] = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path and path not in sys.path]

from inference.quiet import quietly  # noqa: E402  # the path comes first

quietly(lambda: importlib.import_module("torch"))
import torch  # noqa: E402  # it is there by now
import triton_python_backend_utils as pb_utils  # type: ignore[import-not-found]  # noqa: E402  # from Triton
from torch.utils.dlpack import from_dlpack  # noqa: E402  # the path comes first

from inference.networks import NotFinite, dtypes  # noqa: E402  # the path comes first
from inference.networks.weights import digest  # noqa: E402  # the path comes first

IDLE_S = 5.0  # after so long without a tile the heap goes back to the system


class Refused(Exception):
    """The request is not one that this model takes."""


class Cancelled(Exception):
    """Who asked does not want the answer any more."""


class TritonPythonModel:
    """One instance: one network on one device. Triton calls it from one thread."""

    def initialize(self, args: dict[str, str]) -> None:
        config = json.loads(args["model_config"])
        settings = {key: value["string_value"] for key, value in config["parameters"].items()}
        instances = sum(group["count"] for group in config["instance_group"])
        torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) // instances))
        on_gpu = args["model_instance_kind"] == "GPU"
        device = torch.device(f"cuda:{args['model_instance_device_id']}" if on_gpu else "cpu")
        self._name = args["model_name"]
        self._dtype = dtypes.best(on_gpu=on_gpu) if settings["dtype"] == "auto" else settings["dtype"]
        weights = Path(args["model_repository"]) / args["model_version"] / "weights.safetensors"
        self._digest = digest(weights)
        if self._digest != settings["sha256"]:
            raise pb_utils.TritonModelException(f"the weights of {self._name} are not the ones that it was set up with")
        side = int(settings["warm_px"])
        picture = torch.zeros(side, side, 3, dtype=torch.uint8)  # of a tile's size, for which kernels are chosen

        def load() -> Any:
            module, name = settings["network"].split(":")
            made = getattr(importlib.import_module(module), name)
            network = made.load(weights, device=device, dtype=getattr(torch, self._dtype))
            network.run(picture, **made.EXAMPLE)
            return network

        self._network = quietly(load)
        self._network.run(picture, **self._network.EXAMPLE)  # this thread's heap and threads get warm too
        self._idle = _Idle()
        _log("triton.model_loaded", model=self._name, dtype=self._dtype, device=str(device), digest=self._digest)

    def execute(self, requests: list[Any]) -> list[Any]:
        return [self._answer(request) for request in requests]

    def finalize(self) -> None:
        self._idle.stop()

    def _answer(self, request: Any) -> Any:
        self._idle.busy()
        began = time.perf_counter()
        outcome = "done"
        try:
            result, doubt = self._run(request)
            compute_s = time.perf_counter() - began
            report = {"compute_s": compute_s, "digest": self._digest, "dtype": self._dtype}
            tensors = [_tensor("RESULT", result), _tensor("DOUBT", doubt), _tensor("REPORT", _as_bytes(report))]
            return pb_utils.InferenceResponse(output_tensors=tensors)
        except (Refused, NotFinite) as exc:
            outcome = "refused"  # the client does not ask again for what would fail again
            return _failed(pb_utils.TritonError.INVALID_ARG, str(exc))
        except Cancelled:
            outcome = "cancelled"
            return _failed(pb_utils.TritonError.CANCELLED, "cancelled")
        except Exception as exc:  # noqa: BLE001  # the process's edge: the next tile must find a living model
            outcome = type(exc).__name__
            return _failed(pb_utils.TritonError.INTERNAL, f"{type(exc).__name__}: {exc}")
        finally:
            trace = _parameters(request).get("traceparent")
            _log(
                "triton.tile",
                model=self._name,
                outcome=outcome,
                s=round(time.perf_counter() - began, 4),
                traceparent=trace,
            )
            self._idle.free()

    def _run(self, request: Any) -> tuple[torch.Tensor, torch.Tensor]:
        def check() -> None:
            if request.is_cancelled():
                raise Cancelled

        check()
        picture = from_dlpack(pb_utils.get_input_tensor_by_name(request, "PICTURE").to_dlpack())
        halo = from_dlpack(pb_utils.get_input_tensor_by_name(request, "HALO").to_dlpack()).tolist()
        top, bottom, left, right = halo
        height, width, channels = picture.shape
        if channels != 3 or min(halo) < 0 or top + bottom >= height or left + right >= width:
            raise Refused(
                f"a tile is (height, width, 3) and larger than its halo, not {tuple(picture.shape)} with {halo}"
            )
        arguments = json.loads(_parameters(request).get("arguments", "{}"))
        result, doubt = self._network.run(picture, (top, bottom, left, right), check, **arguments)
        return result, doubt


class _Idle:
    """Gives memory back when nothing has come for a while; until then the heap keeps its pages (see server.py)."""

    def __init__(self) -> None:
        self._trim = ctypes.CDLL(None).malloc_trim
        self._timer: threading.Timer | None = None
        self.free()

    def busy(self) -> None:
        self.stop()

    def free(self) -> None:
        self._timer = threading.Timer(IDLE_S, self._trim, args=(0,))
        self._timer.daemon = True
        self._timer.start()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()


def _parameters(request: Any) -> dict[str, Any]:
    parameters: dict[str, Any] = json.loads(request.parameters() or "{}")
    return parameters


def _tensor(name: str, value: torch.Tensor) -> Any:
    return pb_utils.Tensor.from_dlpack(name, value)


def _as_bytes(value: dict[str, Any]) -> torch.Tensor:
    return torch.frombuffer(bytearray(json.dumps(value).encode()), dtype=torch.uint8)


def _failed(code: Any, reason: str) -> Any:
    return pb_utils.InferenceResponse(output_tensors=[], error=pb_utils.TritonError(reason, code))


def _log(event: str, **fields: Any) -> None:
    # Triton's own logger would wrap the line; one JSON object a line is what the other processes write.
    print(json.dumps({"event": event, **fields}), file=sys.stderr, flush=True)
