"""Hides which tasks and models there are: those of Atelier, and those of the modules that INFERENCE_TASKS names.

Such a module has a `TASK` and a `MODEL`; `inference/examples/posterise.py` is one. Imports no torch.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from types import MappingProxyType
from typing import TypeVar

from inference import contracts, models
from inference.contracts import Task
from inference.errors import UnknownTask
from inference.models import Model

T = TypeVar("T", Task, Model)


def load(modules: Iterable[str]) -> tuple[Mapping[str, Task], Mapping[str, Model]]:
    """By name, with those of `modules`. Raises: ImportError, AttributeError; ValueError where two have one name."""
    added = [import_module(name) for name in modules]
    tasks = [contracts.ENHANCE, contracts.DENOISE, contracts.EDGES, *(module.TASK for module in added)]
    networks = [models.SPAN_X2, models.FFDNET, models.HED, *(module.MODEL for module in added)]
    return _by_name(tasks), _by_name(networks)


def _by_name(things: Sequence[T]) -> Mapping[str, T]:
    names = [thing.name for thing in things]
    if double := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"INFERENCE_TASKS: there are two of the name {double.pop()}.")
    return MappingProxyType({thing.name: thing for thing in things})


TASKS, MODELS = load(name.strip() for name in os.environ.get("INFERENCE_TASKS", "").split(",") if name.strip())


def task_named(name: str) -> Task:
    """Raises: UnknownTask."""
    try:
        return TASKS[name]
    except KeyError:
        raise UnknownTask(f"There is no task of this name. There are: {', '.join(TASKS)}.") from None
