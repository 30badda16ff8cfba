"""Hides how Triton is asked for a tile and answers: at once, or over a stream in parts as they finish.

What goes wrong is an InferenceServerException with gRPC's status, whichever way; so is an answer that is not whole.
"""

import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from math import prod
from typing import Any

import grpc  # type: ignore[import-untyped]  # the package ships no types
import numpy as np
import tritonclient.grpc.aio as triton  # type: ignore[import-untyped]  # the package ships no types
from tritonclient.utils import InferenceServerException  # type: ignore[import-untyped]  # ships no types

from backend.core import metrics, trace
from inference import tiles
from inference.mending import Mask
from inference.models import Model
from inference.runs import Report, Run
from inference.sharing import Region
from inference.tiles import Picture, Tile

_ALIGN = 64  # bytes: a line of the cache


@dataclass(frozen=True, slots=True)
class Answer:
    """A part of a tile, or all of it."""

    part: Tile
    result: Picture
    doubt: Mask
    report: Report


async def ask(
    stub: Any,
    work: Run,
    tile: Tile,
    parts: Sequence[Tile],
    on_answer: Callable[[Answer], None],
    *,
    through: Region | None = None,
) -> None:
    """Have the model compute those of the tile's parts; each is handed on once, when it comes.

    `through`: memory of at least `room_for(...)` that Triton sees too: an answer lies in it until it was handed on.

    Raises: InferenceServerException, also after some have come.
    """
    left = dict(enumerate(parts))
    served, began, outcome = work.model.served, time.perf_counter(), "CANCELLED"
    try:
        with trace.continued(work.traceparent, "triton.infer", kind="client", model=served) as traceparent:
            answers = _in_parts if work.model.streamed else _at_once
            said = {"traceparent": traceparent, "arguments": json.dumps(work.arguments)}
            lent = None if through is None else _Lent(through, work.model, tile)
            request = {"model_name": served, "parameters": said, "inputs": _inputs(work, tile, parts, lent)}
            if lent is not None:
                request["outputs"] = lent.outputs()
            async with aclosing(answers(stub, request, timeout_s=max(work.left_s(), 0.001))) as coming:
                async for one in coming:
                    report = json.loads(one.as_numpy("REPORT").tobytes())
                    if (part := left.pop(report.get("part", 0), None)) is None:  # an older server's models say none
                        raise _broken("it gave a part that was not asked for")
                    told = Report(report["compute_s"], report["digest"], report["dtype"])
                    result, doubt = (
                        one.as_numpy(name) if lent is None else lent.answer(one, name) for name in ("RESULT", "DOUBT")
                    )
                    on_answer(Answer(part, result, doubt, told))
        if left:
            raise _broken(f"its answer ended without {len(left)} of {len(parts)} parts")
        outcome = "ok"
    except InferenceServerException as exc:
        outcome = status_of(exc)
        raise
    finally:
        metrics.TRITON_DURATION.labels(served, outcome).observe(time.perf_counter() - began)


def room_for(model: Model, tile: Tile) -> int:
    """Bytes of a region for that tile and its answer; 0 where it comes in parts, one beside another."""
    return 0 if model.streamed else sum(_aligned(prod(shape)) for shape in _shapes(model, tile).values())


def status_of(exc: InferenceServerException) -> str:
    """gRPC's name of what went wrong."""
    return str(exc.status()).removeprefix("StatusCode.")


async def _at_once(stub: Any, request: dict[str, Any], *, timeout_s: float) -> AsyncGenerator[triton.InferResult, None]:
    yield await stub.infer(**request, client_timeout=timeout_s)


async def _in_parts(
    stub: Any, request: dict[str, Any], *, timeout_s: float
) -> AsyncGenerator[triton.InferResult, None]:
    async def requests() -> AsyncIterator[dict[str, Any]]:
        yield request

    stream, failed = stub.stream_infer(requests(), stream_timeout=timeout_s), None
    try:
        async for result, error in stream:
            failed = failed or error
            if error is None:
                yield result
        if failed is not None:  # told of at the end, so that the stream may come to it
            raise _with_status(failed.message())
    except grpc.RpcError as exc:
        raise InferenceServerException(exc.details(), status=str(exc.code())) from exc
    finally:
        stream.cancel()  # of no effect on one that has ended


def _with_status(words: str) -> InferenceServerException:
    # Over a stream Triton gives words alone, and our models begin theirs with the status. There is a header that asks
    # for it, `triton_grpc_error`; but with that Triton 2.51 dies of a model's error.
    status, colon, reason = words.partition(": ")
    if colon and status in grpc.StatusCode.__members__:
        return InferenceServerException(reason, status=f"StatusCode.{status}")
    return InferenceServerException(words, status="StatusCode.UNKNOWN")


def _broken(how: str) -> InferenceServerException:
    return InferenceServerException(how, status="StatusCode.INTERNAL")


class _Lent:
    """A region, shared out among a tile's picture and what comes of it."""

    def __init__(self, region: Region, model: Model, tile: Tile) -> None:
        self._region, self._offsets, offset = region, dict[str, int](), 0
        self.views = dict[str, Picture]()
        for name, shape in _shapes(model, tile).items():
            self._offsets[name], self.views[name] = offset, region.view(shape, offset=offset)
            offset += _aligned(prod(shape))

    def picture(self, piece: Picture) -> triton.InferInput:
        view = self.views["PICTURE"]
        view[...] = piece
        tensor = triton.InferInput("PICTURE", list(view.shape), "UINT8")
        tensor.set_shared_memory(self._region.name, view.nbytes, self._offsets["PICTURE"])
        return tensor

    def outputs(self) -> list[triton.InferRequestedOutput]:
        wanted = [triton.InferRequestedOutput(name) for name in ("RESULT", "DOUBT", "REPORT")]
        for tensor in wanted[:2]:
            name = tensor.name()
            tensor.set_shared_memory(self._region.name, self.views[name].nbytes, self._offsets[name])
        return wanted

    def answer(self, came: triton.InferResult, name: str) -> Picture:
        """What Triton wrote, and it alone: behind that lies what somebody else's tile left."""
        if (shape := tuple(came.get_output(name).shape)) != self.views[name].shape:
            raise _broken(f"its {name} is {shape}, not {self.views[name].shape}")
        return self.views[name]


def _shapes(model: Model, tile: Tile) -> dict[str, tuple[int, ...]]:
    rows, columns = len(tile.rows), len(tile.columns)
    return {
        "PICTURE": (len(tile.outer_rows), len(tile.outer_columns), 3),
        "RESULT": (model.scale * rows, model.scale * columns, 3),
        "DOUBT": (rows, columns),
    }


def _aligned(size: int) -> int:
    return -(-size // _ALIGN) * _ALIGN


def _inputs(work: Run, tile: Tile, parts: Sequence[Tile], lent: _Lent | None) -> list[triton.InferInput]:
    if lent is None:
        piece = _input("PICTURE", tiles.cut(work.picture, tile), "UINT8")
    else:
        piece = lent.picture(work.picture[tile.window])
    if not work.model.streamed:
        return [piece, _input("HALO", np.array(tile.halo, np.int32), "INT32")]
    lie = [tiles.inside(part, tile) for part in parts]
    spans = [(part.rows, part.columns, part.outer_rows, part.outer_columns) for part in lie]
    sides = [[side for span in of_part for side in (span.start, span.stop)] for of_part in spans]
    return [piece, _input("PARTS", np.array(sides, np.int32), "INT32")]


def _input(name: str, value: np.ndarray[Any, Any], datatype: str) -> triton.InferInput:
    tensor = triton.InferInput(name, list(value.shape), datatype)
    tensor.set_data_from_numpy(value)
    return tensor
