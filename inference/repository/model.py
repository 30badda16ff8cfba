"""Hides the network behind Triton's Python backend: one tile in; one tile out, or its parts as they finish; by DLPack.

In: PICTURE (H, W, 3) uint8 RGB; HALO (4,) int32, the rows and columns that are only context: top, bottom, left, right.
Of a model that answers in parts, in its place: PARTS (n, 8) int32, those that are wanted, each as the start and the end
of its rows and of its columns in PICTURE, and then of those that it must see.
Out: RESULT (scale·h, scale·w, 3) uint8 RGB without the halo; DOUBT (h, w) uint8, 1 where it is not to be believed;
REPORT, JSON as uint8: compute_s, digest, dtype, part: its place in PARTS. Request parameters: traceparent; arguments,
JSON, what the network is told beside the picture.
DLPack and JSON as bytes, since this backend's own arrays are numpy 1's and arrive empty under numpy 2.
"""

import ctypes
import importlib
import json
import locale
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
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
from inference.networks.fused import plainly  # noqa: E402  # the path comes first
from inference.networks.weights import digest  # noqa: E402  # the path comes first
from inference.tiles import Span, Tile, plan  # noqa: E402  # the path comes first

_OTHER_PX = 32  # by which a first tile is less wide than high, see inference.networks.fused
# The stub's Python takes files for ASCII, and so it would PyTorch's own.
with suppress(locale.Error):
    locale.setlocale(locale.LC_CTYPE, "C.UTF-8")

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
        tile_px, halo_px, part_px = (
            int(settings[name]) for name in ("gpu_tile_px" if on_gpu else "tile_px", "halo_px", "part_px")
        )
        side, not_compiled = tile_px + 2 * halo_px, ""
        self._streamed = part_px > 0

        def load() -> Any:
            module, name = settings["network"].split(":")
            made = getattr(importlib.import_module(module), name)
            network = made.load(weights, device=device, dtype=getattr(torch, self._dtype))
            if on_gpu:
                try_out(network, side, max(1, side - _OTHER_PX))
            try_out(network, side, side)
            return network

        def try_out(network: Any, height: int, width: int) -> None:
            picture = torch.zeros(height, width, 3, dtype=torch.uint8)
            if self._streamed:
                parts = plan(width=width, height=height, tile_px=part_px, halo_px=0)
                next(network.stream(picture, parts, **network.EXAMPLE))
            else:
                network.run(picture, **network.EXAMPLE)

        try:
            self._network = quietly(load)
        except Exception as exc:
            if not on_gpu:
                raise
            not_compiled = f"{type(exc).__name__}: {exc}"  # it takes more than to run does, as a C compiler
        if not_compiled:
            plainly()
            self._network = quietly(load)
        try_out(self._network, side, side)  # of a tile's size, for which kernels are chosen; this thread gets warm too
        self._idle = _Idle()
        _log("triton.model_loaded", model=self._name, dtype=self._dtype, device=str(device), digest=self._digest)
        if not_compiled:
            _log("triton.not_compiled", model=self._name, reason=not_compiled)

    def execute(self, requests: list[Any]) -> list[Any] | None:
        if not self._streamed:
            return [answer for request in requests for answer in self._answers(request, request.is_cancelled)]
        for request in requests:
            sender = request.get_response_sender()
            for answer in self._answers(request, sender.is_cancelled):
                sender.send(answer)
            sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
        return None

    def finalize(self) -> None:
        self._idle.stop()

    def _answers(self, request: Any, is_cancelled: Callable[[], bool]) -> Iterator[Any]:
        """One or, of a model that answers in parts, one after another; the last may be of an error."""
        self._idle.busy()
        began = resumed = time.perf_counter()
        outcome = "done"
        try:
            for part, result, doubt in self._run(request, is_cancelled):
                compute_s = time.perf_counter() - resumed
                report = {"compute_s": compute_s, "digest": self._digest, "dtype": self._dtype, "part": part}
                tensors = [_tensor("RESULT", result), _tensor("DOUBT", doubt), _tensor("REPORT", _as_bytes(report))]
                yield pb_utils.InferenceResponse(output_tensors=tensors)
                resumed = time.perf_counter()
        except (Refused, NotFinite) as exc:
            outcome = "refused"  # the client does not ask again for what would fail again
            yield self._failed("INVALID_ARGUMENT", str(exc))
        except Cancelled:
            outcome = "cancelled"
            yield self._failed("CANCELLED", "cancelled")
        except Exception as exc:  # noqa: BLE001  # the process's edge: the next tile must find a living model
            outcome = type(exc).__name__
            yield self._failed("INTERNAL", f"{type(exc).__name__}: {exc}")
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

    def _failed(self, status: str, reason: str) -> Any:
        # Over a stream Triton tells words alone: there they begin with gRPC's status.
        words = f"{status}: {reason}" if self._streamed else reason
        code = getattr(pb_utils.TritonError, "INVALID_ARG" if status == "INVALID_ARGUMENT" else status)
        return pb_utils.InferenceResponse(output_tensors=[], error=pb_utils.TritonError(words, code))

    def _run(self, request: Any, is_cancelled: Callable[[], bool]) -> Iterator[tuple[int, torch.Tensor, torch.Tensor]]:
        def check() -> None:
            if is_cancelled():
                raise Cancelled

        check()
        picture = _input(request, "PICTURE")
        arguments = json.loads(_parameters(request).get("arguments", "{}"))
        if not self._streamed:
            halo = _halo(picture, _input(request, "HALO").tolist())
            yield 0, *self._network.run(picture, halo, check, **arguments)
            return
        parts = [_part(picture, sides) for sides in _input(request, "PARTS").tolist()]
        for part, result, doubt in self._network.stream(picture, parts, check, **arguments):
            yield parts.index(part), result, doubt
            check()


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


def _input(request: Any, name: str) -> torch.Tensor:
    tensor: torch.Tensor = from_dlpack(pb_utils.get_input_tensor_by_name(request, name).to_dlpack())
    return tensor


def _halo(picture: torch.Tensor, sides: list[int]) -> tuple[int, ...]:
    top, bottom, left, right = sides
    height, width, channels = picture.shape
    if channels != 3 or min(sides) < 0 or top + bottom >= height or left + right >= width:
        raise Refused(f"a tile is (height, width, 3) and larger than its halo, not {tuple(picture.shape)} with {sides}")
    return top, bottom, left, right


def _part(picture: torch.Tensor, sides: list[int]) -> Tile:
    rows, columns, outer_rows, outer_columns = (Span(*sides[at : at + 2]) for at in range(0, 8, 2))
    height, width, channels = picture.shape
    lies_in = all(
        0 <= outer.start <= own.start < own.stop <= outer.stop <= length
        for own, outer, length in ((rows, outer_rows, height), (columns, outer_columns, width))
    )
    if channels != 3 or not lies_in:
        raise Refused(f"a tile is (height, width, 3) and holds its parts, not {tuple(picture.shape)} with {sides}")
    return Tile(rows, columns, outer_rows, outer_columns)


def _tensor(name: str, value: torch.Tensor) -> Any:
    return pb_utils.Tensor.from_dlpack(name, value)


def _as_bytes(value: dict[str, Any]) -> torch.Tensor:
    return torch.frombuffer(bytearray(json.dumps(value).encode()), dtype=torch.uint8)


def _log(event: str, **fields: Any) -> None:
    # Triton's own logger would wrap the line; one JSON object a line is what the other processes write.
    print(json.dumps({"event": event, **fields}), file=sys.stderr, flush=True)
