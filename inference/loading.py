"""Hides which models Triton holds: each is loaded when work needs it, and the least used leave where memory is short.

Triton is the truth, for other processes load and unload too: a model that is gone is found out by its next tile.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

import structlog

from inference.models import Model
from inference.registry import every_model
from inference.residents import Resident, to_unload

log = structlog.get_logger()
_AGAIN_S = 0.2  # until it is seen again whether there is room


class Control(Protocol):
    """Triton's model control; what goes wrong there is raised as it comes."""

    async def is_ready(self, name: str) -> bool: ...
    async def tile_px(self, name: str) -> int:
        """The longest side of the tiles that suit its devices; 0 where it does not say."""

    async def load(self, name: str) -> None: ...
    async def unload(self, name: str) -> None: ...
    async def idle_s(self) -> Mapping[str, float]:
        """Of each loaded model: how long ago its last tile was."""


class NoRoom(Exception):
    """The models in use left no memory for this one until the time was up, or it needs more than there is at all."""


class Loader:
    """Used in one event loop."""

    def __init__(self, control: Control, *, budget_mb: int) -> None:
        self._control = control
        self._budget_mb = budget_mb
        self._one = asyncio.Lock()
        self._since: dict[str, float] = {}  # when each was first seen loaded
        self._tile_px: dict[str, int] = {}
        self._in_use: Counter[str] = Counter()

    @contextmanager
    def using(self, model: Model) -> Iterator[None]:
        """While a run needs the model."""
        self._in_use[model.served] += 1
        try:
            yield
        finally:
            self._in_use[model.served] -= 1

    def is_known(self, model: Model) -> bool:
        """Whether it was there when Triton was asked last."""
        return model.served in self._since.keys() & self._tile_px.keys()

    def tile_px(self, model: Model) -> int:
        """The longest side of the tiles that suit its devices; 0: as usual."""
        return self._tile_px.get(model.served, 0)

    async def ensure(self, model: Model, *, until: float) -> None:
        """Have it loaded. `until`: as `time.monotonic()` has it. Raises: NoRoom, and what `Control` raises."""
        while not await self._loaded(model):
            if time.monotonic() + _AGAIN_S > until or model.memory_mb > self._budget_mb:
                raise NoRoom
            await asyncio.sleep(_AGAIN_S)

    async def unload(self, model: Model) -> None:
        """Give its memory back once the tiles that it has are done. Work that needs it loads it again."""
        async with self._one:
            await self._control.unload(model.served)
            self._since.pop(model.served, None)

    async def _loaded(self, model: Model) -> bool:
        async with self._one:
            if not await self._control.is_ready(model.served):
                leaving = await self._leaving(model)
                if leaving is None:
                    return False
                for name in leaving:
                    log.info("inference.model_unloading", model=name, to_load=model.served)
                    await self._control.unload(name)
                    self._since.pop(name, None)
                log.info("inference.model_loading", model=model.served)
                await self._control.load(model.served)
            self._tile_px[model.served] = await self._control.tile_px(model.served)
            self._since.setdefault(model.served, time.monotonic())
            return True

    async def _leaving(self, model: Model) -> list[str] | None:
        if not self._budget_mb:
            return []
        memory_mb = {one.served: one.memory_mb for one in every_model()}
        now, idle_s = time.monotonic(), await self._control.idle_s()
        self._since = {name: self._since.get(name, now) for name in idle_s}
        residents = [
            Resident(name, memory_mb.get(name, 0), min(idle, stayed), stayed, self._in_use[name] > 0)
            for name, idle in idle_s.items()
            for stayed in [now - self._since[name]]
        ]
        return to_unload(residents, needed_mb=model.memory_mb, budget_mb=self._budget_mb)
