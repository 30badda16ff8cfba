"""The one door to Triton: hides gRPC, its event loop, tiling, retries, deadlines and cancellation behind one call.

A process has one loop thread and one channel, whatever the number of jobs: their tiles take turns for the few places
in flight, in the order of their ranks. A tile is a pure function, so trying one again is always safe. `run` is the
crossing from sync to async: the caller's thread only waits, reports progress and asks whether to go on.
"""

import asyncio
import os
import queue
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from functools import cache
from typing import Any, TypeVar

import numpy as np
import structlog
import tritonclient.grpc.aio as triton  # type: ignore[import-untyped]  # the package ships no types
from django.conf import settings
from pydantic import BaseModel
from tritonclient.grpc.model_config_pb2 import ModelInstanceGroup  # type: ignore[import-untyped]  # as above
from tritonclient.utils import InferenceServerException  # type: ignore[import-untyped]  # ships no types

from backend.core import arrays, trace
from inference import mending, tiles
from inference.asking import Answer, ask, room_for, status_of
from inference.errors import InferenceCancelled, InferenceFailed, InferenceTimeout, TritonUnavailable
from inference.gate import Gate, InOrder, Turn
from inference.loading import Loader, NoRoom
from inference.mending import Mask
from inference.models import Model
from inference.registry import TASKS, model_named, task_named
from inference.runs import Area, Progress, Report, Result, Run, Server, check_picture
from inference.sharing import Shared, is_lost
from inference.tiles import Picture

log = structlog.get_logger()
_opening = threading.Lock()
T = TypeVar("T")

_POLL_S = 0.05  # how often the caller is asked whether the job is cancelled
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 1.0
_TOO_LITTLE_S = 0.05  # of time, to hear whether Triton is back
# A model's process that died, or a server on its way down. A model that breaks each time must not be asked for ever.
_PERHAPS_BROKEN = ("INTERNAL", "UNKNOWN", "CANCELLED")
_TRIES_WHEN_BROKEN = 5  # two of them go by until a dead model is noticed and Triton is started anew
_UNKNOWN = "unknown model"  # what Triton says of one that it has not loaded
_IN_ORDER = InOrder()

_CHANNEL = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # A killed Triton is back in seconds; gRPC's own back-off grows to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
]


def run(
    task: str,
    picture: Picture,
    parameters: BaseModel,
    *,
    on_progress: Callable[[Progress], None],
    cancelled: Callable[[], bool],
    timeout_s: float,
    turn: Turn,
    version: int | None = None,
) -> Result:
    """Run `task` on (H, W, 3) uint8 RGB. Blocks; both callbacks are called in the caller's thread.

    `version`: of the task's model; without one the newest that is stable.

    `on_progress` hears of the tiles that are done, or of their parts where the model answers in parts; `cancelled()` is
    asked twenty times a second, so it must be cheap. A Triton that is away is waited for until `timeout_s` is over. Of
    all runs of this process `turn` says whose tile goes next.

    Raises: UnknownTask, UnknownModel, InvalidPicture, PictureTooLarge, ScratchFull, InferenceCancelled,
    TritonUnavailable, InferenceFailed, InferenceTimeout.
    """
    return _process_client(os.getpid()).run(
        task,
        picture,
        parameters,
        on_progress=on_progress,
        cancelled=cancelled,
        timeout_s=timeout_s,
        turn=turn,
        version=version,
    )


def load(model: Model, *, timeout_s: float) -> None:
    """Have Triton load the model and warm it up. Raises: TritonUnavailable, InferenceFailed."""
    _process_client(os.getpid()).load(model, timeout_s=timeout_s)


def unload(model: Model, *, timeout_s: float) -> None:
    """Give its memory back once its tiles are done; work that needs it loads it again. Raises: TritonUnavailable."""
    _process_client(os.getpid()).unload(model, timeout_s=timeout_s)


def ready(timeout_s: float = 2.0) -> bool:
    """Whether Triton answers and has every task's model, loaded or to be loaded when it is needed."""
    return _process_client(os.getpid()).ready(timeout_s)


def describe(timeout_s: float) -> "Server":
    """What Triton says of itself. Raises TritonUnavailable within `timeout_s`."""
    return _process_client(os.getpid()).describe(timeout_s)


def _process_client(pid: int) -> "Client":
    with _opening:  # the cache alone would let the first two threads open one each
        return _client_of(pid)


@cache
def _client_of(_pid: int) -> "Client":
    # By process: a channel and a loop thread do not survive a fork.
    return Client(settings.TRITON_URL, in_flight=settings.TRITON_IN_FLIGHT, memory_mb=settings.TRITON_MEMORY_MB)


class Client:
    """A channel to one Triton and the thread that its loop runs in."""

    def __init__(self, url: str, *, in_flight: int, memory_mb: int = 0) -> None:
        self._url = url
        self._in_flight = in_flight
        self._memory_mb = memory_mb  # that the models may take together; 0 for no limit
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="triton-client", daemon=True)
        self._thread.start()
        self._submit(self._open()).result()

    async def _open(self) -> None:
        self._gate = Gate(self._in_flight)
        self._stub = triton.InferenceServerClient(self._url, channel_args=_CHANNEL)
        self._loader = Loader(_Control(self._stub), budget_mb=self._memory_mb)
        self._shared = Shared(self._stub)

    def close(self) -> None:
        """End the channel and the thread; the client can't be used afterwards."""
        self._submit(self._shared.close()).result()
        self._submit(self._stub.close()).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(
        self,
        task: str,
        picture: Picture,
        parameters: BaseModel,
        *,
        on_progress: Callable[[Progress], None],
        cancelled: Callable[[], bool],
        timeout_s: float,
        turn: Turn = _IN_ORDER,
        version: int | None = None,
    ) -> Result:
        """As the module's `run`."""
        contract = task_named(task)
        check_picture(picture)
        height, width = picture.shape[:2]
        contract.check_size(width=width, height=height, parameters=parameters)
        deadline = time.monotonic() + timeout_s
        arguments = contract.arguments(parameters, picture)
        model = model_named(contract.model, version)
        canvas = arrays.empty((height * model.scale, width * model.scale, 3))
        work = Run(model, picture, canvas, trace.current(), deadline, turn, arguments)
        future = self._submit(self._picture(work))
        future.add_done_callback(lambda _: work.progress.put(None))
        try:
            while not future.done():
                if cancelled():
                    _report(work, on_progress, wait_s=0)  # what was used until now
                    raise InferenceCancelled
                _report(work, on_progress, wait_s=_POLL_S)
            _report(work, on_progress, wait_s=0)
            result, doubt = future.result()
        finally:
            future.cancel()  # of no effect on one that is done; else it cancels the gRPC requests at once
        if doubt is not None:
            log.warning("inference.mended", model=work.model.served, pixels=int(np.count_nonzero(doubt)))
            mending.mend(picture, result.picture, doubt, scale=work.model.scale)
        contract.finish(parameters, result.picture)
        return result

    def ready(self, timeout_s: float) -> bool:
        """As the module's `ready`."""

        try:
            return all(self.describe(timeout_s).models.values())
        except TritonUnavailable:
            return False

    def describe(self, timeout_s: float) -> Server:
        """As the module's `describe`."""

        async def ask() -> Server:
            about = await self._stub.get_server_metadata(client_timeout=timeout_s)
            index = await self._stub.get_model_repository_index(client_timeout=timeout_s)
            there = {model.name: model.state == "READY" for model in index.models}
            needed = {task.model: model_named(task.model).served for task in TASKS.values()}
            loaded = frozenset(name for name, is_ready in there.items() if is_ready)
            return Server(about.version, {name: served in there for name, served in needed.items()}, loaded)

        try:
            return self._submit(ask()).result(timeout_s)
        except (InferenceServerException, TimeoutError) as exc:
            raise TritonUnavailable from exc

    def load(self, model: Model, *, timeout_s: float) -> None:
        """As the module's `load`."""
        if not self._submit(self._load(model, until=time.monotonic() + timeout_s)).result():
            raise TritonUnavailable

    def unload(self, model: Model, *, timeout_s: float) -> None:
        """As the module's `unload`."""
        try:
            self._submit(self._loader.unload(model)).result(timeout_s)
        except (InferenceServerException, TimeoutError) as exc:
            raise TritonUnavailable from exc

    def _submit(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def _picture(self, work: Run) -> tuple[Result, Mask | None]:
        model, picture, canvas = work.model, work.picture, work.canvas
        height, width = picture.shape[:2]
        doubt: Mask | None = None
        reports, areas = list[Report](), list[Area]()

        async def take_turns() -> None:
            # A runner for each place in flight, so that a picture of a thousand tiles is never cut all at once.
            for tile in waiting:
                try:
                    async with self._gate.place(work.turn, timeout_s=work.left_s()):
                        share = tile.pixels / whole_px
                        work.turn.took(share)
                        work.turn.used(share, await self._tile(work, tile, place))
                except TimeoutError as exc:
                    raise InferenceTimeout("Other runs kept the model busy until the time was over.") from exc

        def place(answer: Answer) -> None:
            nonlocal doubt
            tiles.place(canvas, answer.part, answer.result, scale=model.scale)
            if answer.doubt.any():
                doubt = np.zeros((height, width), np.uint8) if doubt is None else doubt
                tiles.place(doubt, answer.part, answer.doubt, scale=1)
            arrays.let_go(canvas)
            arrays.let_go(picture)
            reports.append(answer.report)
            areas.append(Area.of(answer.part, scale=model.scale))
            compute_s = sum(one.compute_s for one in reports)
            work.progress.put(Progress(len(reports), total, compute_s, canvas, areas))

        with self._loader.using(model):
            if not self._loader.is_known(model):
                await self._load(model, until=work.deadline)
            plan = model.plan(width=width, height=height, tile_px=self._loader.tile_px(model))
            whole_px, total = sum(tile.pixels for tile in plan), sum(len(model.parts(tile)) for tile in plan)
            waiting = iter(plan)
            try:
                async with asyncio.TaskGroup() as runners:
                    for _ in range(min(self._in_flight, len(plan))):
                        runners.create_task(take_turns())
            except ExceptionGroup as group:
                raise group.exceptions[0] from group.exceptions[0].__cause__
        if len(reports) < total:  # a group takes a call that gRPC cancelled by itself for one that was to end
            raise InferenceFailed("Not all of the picture was processed. Run it again.")
        if len({(report.digest, report.dtype) for report in reports}) != 1:
            raise InferenceFailed("The model was replaced in the middle of the run. Run it again.")
        result = Result(
            picture=canvas,
            compute_s=sum(report.compute_s for report in reports),
            model=model.name,
            model_version=str(model.version),
            model_digest=reports[0].digest,
            dtype=reports[0].dtype,
            tiles=len(plan),
        )
        return result, doubt

    async def _tile(self, work: Run, tile: tiles.Tile, place: Callable[[Answer], None]) -> float:
        """Ask until all parts have come, the time is up, or asking again can't help. Gives their seconds of compute.

        What has come is not asked for again.
        """
        missing, compute_s = work.model.parts(tile), 0.0

        def came(answer: Answer) -> None:
            nonlocal compute_s
            place(answer)
            missing.remove(answer.part)
            compute_s += answer.report.compute_s

        pause_s, broken = _FIRST_PAUSE_S, 0
        away: InferenceServerException | None = None  # Triton was, when it was asked last
        while missing:
            if away is not None and work.left_s() < _TOO_LITTLE_S:
                raise TritonUnavailable from away
            try:
                async with self._shared.region(room_for(work.model, tile)) as region:
                    await ask(self._stub, work, tile, tuple(missing), came, through=region)
                continue
            except InferenceServerException as exc:
                if is_lost(exc) and (broken := broken + 1) < _TRIES_WHEN_BROKEN:
                    continue  # with another
                unknown = _UNKNOWN in exc.message()
                status = "UNAVAILABLE" if unknown else status_of(exc)
                broken += unknown or status in _PERHAPS_BROKEN
                if unknown and broken < _TRIES_WHEN_BROKEN and await self._load(work.model, until=work.deadline):
                    continue
                away = exc if status == "UNAVAILABLE" else None
                if status == "DEADLINE_EXCEEDED":
                    raise InferenceTimeout(f"The model {work.model.served} did not finish in time.") from exc
                if status not in ("UNAVAILABLE", *_PERHAPS_BROKEN) or broken >= _TRIES_WHEN_BROKEN:
                    raise InferenceFailed(
                        f"The model {work.model.served} failed: {exc.message()}", status=status
                    ) from exc
                log.warning("inference.tile_retried", model=work.model.served, status=status, pause_s=pause_s)
            await asyncio.sleep(min(pause_s, max(work.left_s(), 0.0)))
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        return compute_s

    async def _load(self, model: Model, *, until: float) -> bool:
        """Have Triton load the model, which nobody needed until now. False: it went away meanwhile.

        Raises: InferenceFailed, where it can't be loaded; TritonUnavailable, where there was no memory for it.
        """
        try:
            async with asyncio.timeout(until - time.monotonic()):
                await self._loader.ensure(model, until=until)
        except NoRoom as exc:
            raise TritonUnavailable(f"There is no memory for the model {model.served} beside those in use.") from exc
        except TimeoutError:
            return False
        except InferenceServerException as exc:
            if _UNKNOWN in exc.message() or status_of(exc) in ("UNAVAILABLE", "CANCELLED", "DEADLINE_EXCEEDED"):
                return False  # or somebody unloaded it meanwhile
            raise InferenceFailed(f"The model {model.served} can't be loaded: {exc.message()}") from exc
        return True


class _Control:
    """Triton's model control, for the loader."""

    def __init__(self, stub: Any) -> None:
        self._stub = stub

    async def is_ready(self, name: str) -> bool:
        return bool(await self._stub.is_model_ready(name))

    async def tile_px(self, name: str) -> int:
        config = (await self._stub.get_model_config(name)).config
        on_gpu = any(group.kind == ModelInstanceGroup.KIND_GPU for group in config.instance_group)
        return int(config.parameters["gpu_tile_px"].string_value or 0) if on_gpu else 0

    async def load(self, name: str) -> None:
        await self._stub.load_model(name)

    async def unload(self, name: str) -> None:
        await self._stub.unload_model(name)

    async def idle_s(self) -> dict[str, float]:
        found = await self._stub.get_inference_statistics()
        now = time.time()
        return {one.name: now - one.last_inference / 1000 for one in found.model_stats}


def _report(work: Run, on_progress: Callable[[Progress], None], *, wait_s: float) -> None:
    """Hand on what has come; wait up to `wait_s` for something to come, the end included."""
    last = None
    with suppress(queue.Empty):
        last = work.progress.get(timeout=wait_s)
        while True:
            last = work.progress.get_nowait() or last
    if last:
        on_progress(last)
