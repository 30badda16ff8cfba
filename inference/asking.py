"""Hides how Triton is asked for a tile and answers: at once, or over a stream in parts as they finish.

What goes wrong is an InferenceServerException with gRPC's status, whichever way; so is an answer that is not whole.
"""

import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import grpc  # type: ignore[import-untyped]  # the package ships no types
import numpy as np
import tritonclient.grpc.aio as triton  # type: ignore[import-untyped]  # the package ships no types
from tritonclient.utils import InferenceServerException  # type: ignore[import-untyped]  # ships no types

from backend.core import metrics, trace
from inference import tiles
from inference.mending import Mask
from inference.runs import Report, Run
from inference.tiles import Picture, Tile


@dataclass(frozen=True, slots=True)
class Answer:
    """A part of a tile, or all of it."""

    part: Tile
    result: Picture
    doubt: Mask
    report: Report


async def ask(stub: Any, work: Run, tile: Tile, parts: Sequence[Tile], on_answer: Callable[[Answer], None]) -> None:
    """Have the model compute those of the tile's parts; each is handed on once, when it comes.

    Raises: InferenceServerException, also after some have come.
    """
    left = dict(enumerate(parts))
    served, began, outcome = work.model.served, time.perf_counter(), "CANCELLED"
    try:
        with trace.continued(work.traceparent, "triton.infer", kind="client", model=served) as traceparent:
            answers = _in_parts if work.model.streamed else _at_once
            said = {"traceparent": traceparent, "arguments": json.dumps(work.arguments)}
            request = {"model_name": served, "inputs": _inputs(work, tile, parts), "parameters": said}
            async with aclosing(answers(stub, request, timeout_s=max(work.left_s(), 0.001))) as coming:
                async for one in coming:
                    report = json.loads(one.as_numpy("REPORT").tobytes())
                    if (part := left.pop(report.get("part", 0), None)) is None:  # an older server's models say none
                        raise _broken("it gave a part that was not asked for")
                    told = Report(report["compute_s"], report["digest"], report["dtype"])
                    on_answer(Answer(part, one.as_numpy("RESULT"), one.as_numpy("DOUBT"), told))
        if left:
            raise _broken(f"its answer ended without {len(left)} of {len(parts)} parts")
        outcome = "ok"
    except InferenceServerException as exc:
        outcome = status_of(exc)
        raise
    finally:
        metrics.TRITON_DURATION.labels(served, outcome).observe(time.perf_counter() - began)


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


def _inputs(work: Run, tile: Tile, parts: Sequence[Tile]) -> list[triton.InferInput]:
    piece = _input("PICTURE", tiles.cut(work.picture, tile), "UINT8")
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
